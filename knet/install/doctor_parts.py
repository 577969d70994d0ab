"""What an installation is made of: is it all there, and does it run. Asked of the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import knet
from knet.control.definitions import definitions as wanted_definitions
from knet.install import apply, preflight, waiting
from knet.install.doctor import Finding, Patient, bad, good, warning
from knet.install.inventory import Ref
from knet.kube.client import Client, Object
from knet.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS
from knet.text import json

OLDEST = (1, 28)
"""The oldest Kubernetes that has all that manifests use."""
INSTALL = "knet install (with the options it was installed with)"
_HOMES = {"istio": (("istio-system", "istiod"),), "contour": (("contour-external", "contour"), ("contour-internal", "contour"))}  # fmt: skip


async def versions(patient: Patient) -> AsyncIterator[Finding]:
    """Kubernetes, and knet there and here."""
    said = json.loads(await patient.client.raw("/version"))
    name = str(said.get("gitVersion", ""))
    numbers = tuple(int("".join(filter(str.isdigit, str(said.get(part, ""))))) for part in ("major", "minor"))
    if numbers < OLDEST:
        yield bad(
            "version", f"Kubernetes {name} is older than {OLDEST[0]}.{OLDEST[1]}", "upgrade the cluster"
        )
    else:
        yield good("version", f"Kubernetes {name}")
    found = patient.inventory
    if found is None:
        message = "knet was not installed here by knet install"
        yield warning(
            "version", message, "knet install; after kubectl apply of knet manifests all else still counts"
        )
    elif found.version != knet.__version__:
        message = f"knet {found.version} is installed, this is {knet.__version__}"
        yield warning(
            "version", message, "knet install upgrades in place; or use the command of that version"
        )
    else:
        yield good("version", f"knet {found.version}, {found.mode}, with {found.gateway}")


async def definitions(patient: Patient) -> AsyncIterator[Finding]:
    """The kinds, and whether the API server serves them."""
    listed = await patient.client.list(CUSTOM_RESOURCE_DEFINITIONS)
    there = {item["metadata"]["name"]: item for item in listed.items}
    wanted = {item["metadata"]["name"]: item for item in wanted_definitions()}
    if patient.inventory and patient.inventory.mode == "ingress-only":
        wanted = {name: wanted[name] for name in wanted if name == preflight.INGRESSES_NAME}
    lacking = sorted(wanted.keys() - there.keys())
    if lacking:
        yield bad("kinds", f"missing: {', '.join(lacking)}", INSTALL)
    for name in sorted(wanted.keys() & there.keys()):
        if waiting.condition(there[name], "Established") != "True":
            yield bad("kinds", f"{name} is not served: {_why(there[name])}", INSTALL)
        elif missing := _versions(wanted[name]) - _versions(there[name]):
            yield bad("kinds", f"{name} has no version {', '.join(sorted(missing))}", INSTALL)
    if not lacking:
        yield good("kinds", f"{len(wanted)} kinds are served")


def _versions(item: Object) -> set[str]:
    return {v["name"] for v in item["spec"]["versions"] if v.get("served")}


def _why(item: Object) -> str:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return "; ".join(str(c.get("message", "")) for c in conditions if c.get("status") == "False") or "not yet"


async def objects(patient: Patient) -> AsyncIterator[Finding]:
    """Whether everything that was installed is still there."""
    if patient.inventory is None:
        return
    gone = [ref for ref in patient.inventory.entries if await apply.current(patient.client, ref) is None]
    for ref in gone:
        yield bad("objects", f"{ref} is gone", INSTALL)
    unfinished = [ref for ref, entry in patient.inventory.entries.items() if not entry.digest]
    if unfinished:
        yield bad("objects", f"an installation was interrupted: {len(unfinished)} objects are open", INSTALL)
    if not gone and not unfinished:
        yield good("objects", f"{len(patient.inventory.entries)} objects are there")


async def gateway(patient: Patient) -> AsyncIterator[Finding]:
    """Whether the gateway is there, in which version, and whether two controllers serve it."""
    name = patient.gateway
    facts = await preflight.facts_of(patient.client, patient.inventory)
    missing = [kind for kind in preflight.GATEWAY_KINDS[name] if kind not in facts.definitions]
    if missing:
        yield bad(
            "gateway", f"{name} is not on this cluster: no {', no '.join(missing)}", preflight.HELP[name]
        )
    for namespace, deployment in _HOMES.get(name, ()):
        yield await _home(patient.client, name, namespace, deployment)
    rival = preflight.CONTROLLERS[name]
    if facts.runs(rival) and facts.runs("knet-controller"):
        mend = f"knet install --mode ingress-only --gateway {name} --replace net-{name}, or scale it to 0"
        yield bad("gateway", f"{rival} serves the same KIngresses as knet", mend)
    if name == "kourier":
        yield good("gateway", "kourier: Envoys of our own")


async def _home(client: Client, name: str, namespace: str, deployment: str) -> Finding:
    found = await apply.current(client, Ref("apps/v1", "Deployment", namespace, deployment))
    if found is None:
        mend = preflight.HELP[name] + "; elsewhere than usual is fine if the ConfigMap says so"
        return warning("gateway", f"there is no Deployment {namespace}/{deployment}", mend)
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    if not waiting.rolled_out(found):
        why = await waiting.why_not(client, (namespace, deployment))
        return bad("gateway", f"{namespace}/{deployment} is not ready: {why}", "mend that first")
    return good("gateway", f"{name} {image.rpartition(':')[2]} in {namespace}")


async def deployments(patient: Patient) -> AsyncIterator[Finding]:
    """Whether everything runs that is to run."""
    listed = await patient.client.list(DEPLOYMENTS, labels="app.kubernetes.io/managed-by=knet")
    for item in listed.items:
        key = item["metadata"]["namespace"], item["metadata"]["name"]
        if waiting.rolled_out(item):
            replicas = (item.get("status") or {}).get("availableReplicas", 0)
            yield good("deployments", f"{'/'.join(key)} runs ({replicas})")
        else:
            mend = f"kubectl -n {key[0]} describe deployment {key[1]}; kubectl -n {key[0]} logs deployment/{key[1]}"
            why = await waiting.why_not(patient.client, key)
            yield bad("deployments", f"{'/'.join(key)} is not ready: {why}", mend)
    if not listed.items:
        yield bad("deployments", "there is none of knet", INSTALL)
