"""Of which type each part of a revision's containers and volumes is.

Go does not decode what has another type, so nothing of Knative's ever sees it; here pods are plain data, whose types
have to be looked at before anybody fills in or judges them (kubernetes.io: core/v1 Container, Volume, Probe).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.model.serving_faults import Fault

_NUMBER = (int, float, str)  # a quantity may be written without quotes
_PORT = (int, str)
_REFERENCE = {"name": str, "key": str, "optional": bool}
_SOURCE = {"name": str, "optional": bool}
_FIELD = {"apiVersion": str, "fieldPath": str}
_RESOURCE = {"containerName": str, "resource": str, "divisor": _NUMBER}
_ITEMS = [{"key": str, "path": str, "mode": int}]
_ACTION = {
    "exec": {"command": [str]},
    "httpGet": {
        "path": str,
        "port": _PORT,
        "host": str,
        "scheme": str,
        "httpHeaders": [{"name": str, "value": str}],
    },
    "tcpSocket": {"port": _PORT, "host": str},
    "grpc": {"port": int, "service": str},
    "sleep": {"seconds": int},
}
PROBE_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
    "terminationGracePeriodSeconds",
)
"""A probe's numbers, in the order in which Go writes them."""
_PROBE = _ACTION | dict.fromkeys(PROBE_NUMBERS, int)
_SECURITY = {
    "runAsUser": int,
    "runAsGroup": int,
    "runAsNonRoot": bool,
    "privileged": bool,
    "readOnlyRootFilesystem": bool,
    "allowPrivilegeEscalation": bool,
    "procMount": str,
    "capabilities": {"add": [str], "drop": [str]},
    "seccompProfile": {"type": str, "localhostProfile": str},
    "seLinuxOptions": {},
    "windowsOptions": {},
    "appArmorProfile": {},
}
CONTAINER = {
    **dict.fromkeys(
        (
            "name",
            "image",
            "workingDir",
            "imagePullPolicy",
            "restartPolicy",
            "terminationMessagePath",
            "terminationMessagePolicy",
        ),
        str,
    ),
    **dict.fromkeys(("stdin", "stdinOnce", "tty"), bool),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _PROBE),
    "command": [str],
    "args": [str],
    "env": [
        {
            "name": str,
            "value": str,
            "valueFrom": {
                "configMapKeyRef": _REFERENCE,
                "secretKeyRef": _REFERENCE,
                "fieldRef": _FIELD,
                "resourceFieldRef": _RESOURCE,
                "fileKeyRef": {"volumeName": str, "path": str, "key": str, "optional": bool},
            },
        }
    ],
    "envFrom": [{"prefix": str, "configMapRef": _SOURCE, "secretRef": _SOURCE}],
    "ports": [{"name": str, "containerPort": int, "hostPort": int, "hostIP": str, "protocol": str}],
    "resources": {"limits": {"*": _NUMBER}, "requests": {"*": _NUMBER}, "claims": [{"name": str}]},
    "volumeMounts": [
        {
            **dict.fromkeys(
                ("name", "mountPath", "subPath", "subPathExpr", "mountPropagation", "recursiveReadOnly"), str
            ),
            "readOnly": bool,
        }
    ],
    "volumeDevices": [{}],
    "lifecycle": {"postStart": _ACTION, "preStop": _ACTION, "stopSignal": str},
    "securityContext": _SECURITY,
}
"""By field: a type, several, [what a list has], or {what a mapping has; "*" is any key}; {}: a mapping of any kind."""
VOLUME = {
    "name": str,
    "secret": {"secretName": str, "items": _ITEMS, "defaultMode": int, "optional": bool},
    "configMap": {"name": str, "items": _ITEMS, "defaultMode": int, "optional": bool},
    "emptyDir": {"medium": str, "sizeLimit": _NUMBER},
    "hostPath": {"path": str, "type": str},
    "persistentVolumeClaim": {"claimName": str, "readOnly": bool},
    "csi": {"driver": str, "readOnly": bool, "volumeAttributes": {"*": str}},
    "image": {"reference": str, "pullPolicy": str},
    "projected": {
        "defaultMode": int,
        "sources": [
            {
                "secret": {"name": str, "items": _ITEMS, "optional": bool},
                "configMap": {"name": str, "items": _ITEMS, "optional": bool},
                "serviceAccountToken": {"audience": str, "expirationSeconds": int, "path": str},
                "downwardAPI": {"items": [{"path": str, "fieldRef": _FIELD, "resourceFieldRef": _RESOURCE}]},
            }
        ],
    },
}
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
}


def misshapen(spec: Mapping[str, Any]) -> list[Fault]:
    """What of a pod spec's containers and volumes has another type than it is to have."""
    shape = {"containers": [CONTAINER], "initContainers": [CONTAINER], "volumes": [VOLUME]}
    return list(_wrong(spec, shape, ""))


def _wrong(value: Any, shape: Any, at: str) -> Iterator[Fault]:
    if value is None:  # as if it were not there
        return
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            yield _fault(value, (dict,), at)
            return
        for key, inner in value.items():
            wanted = shape.get(key, shape.get("*"))
            if wanted is not None:
                yield from _wrong(inner, wanted, f"{at}.{key}" if at else str(key))
    elif isinstance(shape, list):
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _fault(value, (list,), at)
            return
        for i, inner in enumerate(value):
            if inner is None:
                yield Fault("must not be null", f"{at}[{i}]")
            yield from _wrong(inner, shape[0], f"{at}[{i}]")
    else:
        wanted = shape if isinstance(shape, tuple) else (shape,)
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            yield _fault(value, wanted, at)


def _fault(value: Any, wanted: Sequence[type], at: str) -> Fault:
    got = next((word for kind, word in _KINDS if isinstance(value, kind)), type(value).__name__)
    return Fault(f"must be {' or '.join(_WORDS[kind] for kind in wanted)}, not {got}", at)


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (Mapping, "a mapping"),
    (Sequence, "a list"),
)
