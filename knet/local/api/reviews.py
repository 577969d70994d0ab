"""What clients ask about themselves before they act: kinds that are answered and never stored.

Whoever has the token may do everything, so that is what they hear.
"""

from __future__ import annotations

from knet.local.api.kinds import Kind, Object

_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}
_USER = {"username": "knet", "groups": ["system:masters", "system:authenticated"]}


def _kind(group: str, name: str, status: Object) -> Kind:
    plural = f"{name.lower()}s"
    return Kind(
        group,
        "v1",
        plural,
        name,
        name.lower(),
        namespaced=False,
        generations=False,
        verbs=("create",),
        answer=status,
    )


REVIEWS = (
    _kind("authentication.k8s.io", "SelfSubjectReview", {"userInfo": _USER}),
    _kind("authorization.k8s.io", "SelfSubjectAccessReview", {"allowed": True}),
    _kind("authorization.k8s.io", "SelfSubjectRulesReview", _EVERYTHING),
)
