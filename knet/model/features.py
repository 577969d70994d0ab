"""config-features: Knative's switches, each Enabled, Allowed or Disabled (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.network import SYSTEM_NAMESPACE

NAME = "config-features"
TAG_HEADER = "tag-header-based-routing"

_ENABLED, _ALLOWED, _DISABLED = "enabled", "allowed", "disabled"
_ON_BY_DEFAULT = ("multi-container", "kubernetes.podspec-volumes-emptydir")
_OFF_BY_DEFAULT = (
    TAG_HEADER,
    "autodetect-http2",
    "multi-container-probing",
    "queueproxy.mount-podinfo",
    "queueproxy.resource-defaults",
    "kubernetes.containerspec-addcapabilities",
    *(
        f"kubernetes.podspec-{name}"
        for name in (
            "affinity",
            "dnsconfig",
            "dnspolicy",
            "fieldref",
            "hostaliases",
            "hostipc",
            "hostnetwork",
            "hostpid",
            "init-containers",
            "nodeselector",
            "persistent-volume-claim",
            "persistent-volume-write",
            "priorityclassname",
            "runtimeclassname",
            "schedulername",
            "securitycontext",
            "shareprocessnamespace",
            "tolerations",
            "topologyspreadconstraints",
            "volumes-csi",
            "volumes-ephemeral",
            "volumes-hostpath",
            "volumes-image",
            "volumes-mount-propagation",
        )
    ),
)
SECURE_POD_DEFAULTS = "secure-pod-defaults"
_DEFAULTS = {
    **dict.fromkeys(_ON_BY_DEFAULT, _ENABLED),
    **dict.fromkeys(_OFF_BY_DEFAULT, _DISABLED),
    SECURE_POD_DEFAULTS: _DISABLED,
}


@dataclass(frozen=True, slots=True)
class Features:
    """The switches that differ from their defaults, by key, in lower case."""

    flags: Mapping[str, str] = field(default_factory=dict)

    def flag(self, name: str) -> str:
        """`enabled`, `allowed` or `disabled` (secure-pod-defaults also knows `allowrootbounded`)."""
        return self.flags.get(name) or _DEFAULTS.get(name, _DISABLED)

    @property
    def tag_header(self) -> bool:
        """Whether a request picks a tag by the Knative-Serving-Tag header."""
        return self.flag(TAG_HEADER) == _ENABLED


def parse(
    data: Mapping[str, str], namespace: str = SYSTEM_NAMESPACE
) -> tuple[Features, tuple[Diagnostic, ...]]:
    """The switches, and a diagnostic for each value that is none (its default stays). Other keys are
    passed over, as upstream does.
    """
    found: list[Diagnostic] = []
    flags: dict[str, str] = {}
    for key in _DEFAULTS.keys() & data.keys():
        value = data[key].lower()
        allowed = (_ENABLED, _ALLOWED, _DISABLED)
        if key == SECURE_POD_DEFAULTS:
            allowed = (_ENABLED, _DISABLED, "allowrootbounded")
        if value in allowed:
            flags[key] = value
            continue
        about = ObjectRef("ConfigMap", namespace, NAME)
        message = f'{key}: "{data[key]}" is none of {", ".join(allowed)}'
        hint = f"knet goes on with {_DEFAULTS[key]}"
        found.append(checks.BAD_CONFIG(message, about=about, field=f"data[{key}]", hint=hint))
    return Features(flags), tuple(sorted(found, key=lambda d: d.field))
