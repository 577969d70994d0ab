"""The downward API: what a pod may learn of itself (fieldRef and resourceFieldRef)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from knet.local.pods.spec import Object, container
from knet.local.pods.status import Sandbox

_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_SUFFIXES = {
    **dict(zip(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), range(-9, 19, 3), strict=True)),
}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?)")


class ConfigError(Exception):
    """A container's configuration names what is not there; `CreateContainerConfigError` to users."""


def field(pod: Object, path: str, sandbox: Sandbox, node: str) -> str:
    """The value of a fieldRef. Raises ConfigError for a path that Kubernetes does not offer either."""
    meta, spec = pod["metadata"], pod["spec"]
    if keyed := _KEYED.fullmatch(path):
        return str((meta.get(keyed[1]) or {}).get(keyed[2], ""))
    values: Mapping[str, str] = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "metadata.labels": _lines(meta.get("labels") or {}),
        "metadata.annotations": _lines(meta.get("annotations") or {}),
        "spec.nodeName": spec.get("nodeName") or node,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": sandbox.host_ip,
        "status.hostIPs": sandbox.host_ip,
        "status.podIP": sandbox.ip,
        "status.podIPs": sandbox.ip,
    }
    if path not in values:
        raise ConfigError(f"unsupported fieldRef: {path}")
    return values[path]


def resource(pod: Object, name: str, reference: Object, node: Mapping[str, int]) -> str:
    """The value of a resourceFieldRef of container `name`; without a limit, what the `node` has.

    Rounded up to the divisor as Kubernetes does. Raises ConfigError.
    """
    kind, _, what = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"} or not what:
        raise ConfigError(f"unsupported resourceFieldRef: {reference['resource']}")
    try:
        found = container(pod, reference.get("containerName") or name).spec.get("resources") or {}
    except KeyError as error:
        raise ConfigError(f"container {error} not found") from None
    value = (found.get(kind) or {}).get(what)
    if value is None:
        value = node.get(what, 0) if kind == "limits" else 0
    divisor = quantity(reference.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(quantity(value) / divisor))


def quantity(text: str | int) -> Decimal:
    """A Kubernetes quantity such as `250m` or `64Mi`. Raises ConfigError."""
    found = _QUANTITY.fullmatch(str(text))
    try:
        if found:
            number = Decimal(found[1])
            return (
                number * 2 ** _BINARY[found[2]] if found[2] in _BINARY else number.scaleb(_SUFFIXES[found[2]])
            )
    except InvalidOperation:
        pass
    raise ConfigError(f"not a quantity: {text}")


def _lines(data: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={json.dumps(data[key], ensure_ascii=False)}" for key in sorted(data))
