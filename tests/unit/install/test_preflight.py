"""What a cluster has to have before knet is installed."""

from __future__ import annotations

import pytest

from knet.install.preflight import GATEWAY_KINDS, Facts, refusals
from knet.install.values import read


@pytest.mark.parametrize(
    ("kinds", "namespaces", "said"),
    [
        ((), (), ["istio is not on this cluster"]),
        (GATEWAY_KINDS["istio"], (), ["istio is not in namespace istio-system, which is not there"]),
        (GATEWAY_KINDS["istio"], ("istio-system",), []),
    ],
)
def test_istio_has_kinds_and_a_namespace(kinds, namespaces, said):
    facts = Facts(frozenset(kinds), frozenset(namespaces), {})
    found = list(refusals(read({}, {"gateway": "istio"}), facts))
    assert [f.message.partition(":")[0] for f in found] == said
    assert all("install Istio first" in f.hint for f in found)
