"""Whether a cluster can take an installation: decided from a few facts about it. Pure, but for `facts_of`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from knet import checks
from knet.errors import Diagnostic
from knet.install.inventory import Inventory
from knet.install.migrate_state import remembered
from knet.install.values import Mode, Values
from knet.kube.client import Client
from knet.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, INGRESSES, NAMESPACES
from knet.model.network import SYSTEM_NAMESPACE
from knet.rollout.migration import Migration

INGRESSES_NAME = f"{INGRESSES.plural}.{INGRESSES.group}"
GATEWAY_KINDS = {
    "istio": ("virtualservices.networking.istio.io", "gateways.networking.istio.io"),
    "contour": ("httpproxies.projectcontour.io",),
    "kourier": (),
}
"""What each gateway has to have brought before."""
HELP = {
    "istio": "install Istio first (istioctl install, or its Helm charts base, istiod and gateway)",
    "contour": "install Contour first, once in contour-external and once in contour-internal",
}
HOMES = {"istio": "istio-system"}
"""Where what we bring stands beside what the gateway has brought."""
CONTROLLERS = {name: f"net-{name}-controller" for name in GATEWAY_KINDS}
"""The Deployments of Knative's own plugins in knative-serving."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands on the cluster: names of definitions and namespaces, and of Deployments in knative-serving."""

    definitions: frozenset[str]
    namespaces: frozenset[str]
    deployments: dict[str, dict[str, Any]]
    inventory: Inventory | None = None
    migration: Migration | None = None

    @property
    def upstream(self) -> bool:
        """Whether Knative's own Serving runs there."""
        return {"controller", "autoscaler", "activator"} <= self.deployments.keys()

    def runs(self, name: str) -> bool:
        """Whether a Deployment is there and has replicas."""
        found = self.deployments.get(name)
        return found is not None and found["spec"].get("replicas", 1) > 0


async def facts_of(client: Client, found: Inventory | None) -> Facts:
    """Asks the cluster."""
    definitions = await client.list(CUSTOM_RESOURCE_DEFINITIONS)
    namespaces = await client.list(NAMESPACES)
    deployments = await client.list(DEPLOYMENTS, SYSTEM_NAMESPACE)
    under_way = await remembered(client)
    return Facts(
        frozenset(item["metadata"]["name"] for item in definitions.items),
        frozenset(item["metadata"]["name"] for item in namespaces.items),
        {item["metadata"]["name"]: item for item in deployments.items},
        found,
        under_way.state if under_way else None,
    )


def refusals(values: Values, facts: Facts) -> Iterator[Diagnostic]:
    """Why the installation cannot be made, each with the mend."""
    for gateway in values.gateways:
        missing = [name for name in GATEWAY_KINDS[gateway] if name not in facts.definitions]
        if missing:
            yield checks.INSTALL_REFUSED(
                f"{gateway} is not on this cluster: it has no {' and no '.join(missing)}",
                hint=HELP[gateway],
            )
        elif gateway in HOMES and (home := HOMES[gateway]) not in facts.namespaces:
            yield checks.INSTALL_REFUSED(
                f"{gateway} is not in namespace {home}, which is not there",
                hint=HELP[gateway],
            )
    if values.mode is Mode.FULL and facts.upstream:
        yield checks.INSTALL_REFUSED(
            "Knative Serving runs on this cluster already",
            hint="--mode ingress-only: knet becomes its gateway; or delete it first",
        )
    if values.mode is Mode.INGRESS_ONLY and INGRESSES_NAME not in facts.definitions:
        yield checks.INSTALL_REFUSED(
            f"there is no Knative Serving on this cluster: it has no {INGRESSES_NAME}",
            hint="install Knative Serving first, or knet install --mode full",
        )
    found = facts.inventory
    known = {found.gateway, found.beside} if found else set()
    if found and (found.mode != str(values.mode) or values.gateway not in known):
        yield checks.INSTALL_REFUSED(
            f"knet is installed here with --gateway {found.gateway} --mode {found.mode}",
            hint=f"knet install --gateway {found.gateway} --beside {values.gateway}, then knet migrate"
            if found.mode == str(values.mode)
            else "knet uninstall --keep-crds takes it away and leaves Services; then install the other",
        )
    moving = facts.migration
    if moving and not {moving.source, moving.target} <= set(values.gateways):
        yield checks.INSTALL_REFUSED(
            f"a migration from {moving.source} to {moving.target} is under way, and needs both",
            hint="knet migrate ends it, knet migrate --back turns it round",
        )
    yield from _plugin(values, facts)


def _plugin(values: Values, facts: Facts) -> Iterator[Diagnostic]:
    if values.beside and facts.runs(CONTROLLERS[values.beside]):
        yield checks.INSTALL_REFUSED(
            f"net-{values.beside} runs on this cluster and serves the same KIngresses",
            hint=f"--mode ingress-only --replace net-{values.beside} first takes its place",
        )
    name = CONTROLLERS[values.gateway]
    if values.replace and name not in facts.deployments:
        yield checks.INSTALL_REFUSED(
            f"{values.replace} is not on this cluster: no Deployment {SYSTEM_NAMESPACE}/{name}",
            hint="leave --replace out",
        )
    if not values.replace and facts.runs(name):
        yield checks.INSTALL_REFUSED(
            f"net-{values.gateway} runs on this cluster and serves the same KIngresses",
            hint=f"--mode ingress-only --replace net-{values.gateway} takes its place without a lost request",
        )
