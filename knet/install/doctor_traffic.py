"""What users see: settings that do nothing, routes that nobody serves, objects that nobody owns."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping

from knet.install.doctor import Finding, Patient, bad, good, warning
from knet.install.migrate_state import remembered
from knet.kube.client import Client, Object
from knet.kube.errors import NotFound
from knet.kube.objects import notes
from knet.kube.resources import CONFIG_MAPS, DOMAIN_MAPPINGS, INGRESSES, ROUTES, Resource
from knet.model import kingress, network
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving.config_maps import PARSERS

_MADE = {
    "istio": (
        Resource("networking.istio.io", "v1beta1", "virtualservices", "VirtualService"),
        Resource("networking.istio.io", "v1beta1", "gateways", "Gateway"),
    ),
    "contour": (Resource("projectcontour.io", "v1", "httpproxies", "HTTPProxy"),),
}
_SHOWN = 5


async def settings(patient: Patient) -> AsyncIterator[Finding]:
    """Values of ConfigMaps that cannot be used, and an ingress class that is not ours."""
    wrong = False
    for name, parse in PARSERS.items():
        try:
            parse(await _data(patient.client, name))
        except ValueError as error:
            wrong = True
            mend = f"kubectl -n {SYSTEM_NAMESPACE} edit configmap {name}: until then the default counts"
            yield warning("settings", f"{name}: {error}", mend)
    wanted = f"{patient.gateway}.ingress.networking.knative.dev"
    config, _ = network.parse(await _data(patient.client, network.NAME))
    if config.ingress_class in {f"{g}.ingress.networking.knative.dev" for g in patient.gateways}:
        wanted = config.ingress_class
    if config.ingress_class != wanted:
        message = f"config-network chooses {config.ingress_class} for Routes that do not say, and knet serves {wanted}"
        mend = f'kubectl -n {SYSTEM_NAMESPACE} patch configmap config-network -p \'{{"data":{{"ingress-class":"{wanted}"}}}}\''
        yield bad("settings", message, mend)
    elif not wrong:
        yield good("settings", f"Routes are of class {wanted}")


async def _data(client: Client, name: str) -> Mapping[str, str]:
    try:
        item = await client.get(CONFIG_MAPS, name, SYSTEM_NAMESPACE)
    except NotFound:
        return {}
    data: dict[str, str] = item.get("data") or {}
    return data


def _class(item: Object) -> str:
    return kingress.class_of(notes(item))


async def classes(patient: Patient) -> AsyncIterator[Finding]:
    """KIngresses that no controller takes for its own."""
    ours = {f"{gateway}.ingress.networking.knative.dev" for gateway in patient.gateways}
    counts = Counter(_class(item) for item in (await patient.client.list(INGRESSES)).items)
    for name, count in counts.items():
        if name not in ours:
            message = f"{count} KIngresses are of class {name or '(none)'}, which knet does not serve here"
            mend = (
                "leave them to the controller of that class, if there is one; else see the annotation"
                " networking.knative.dev/ingress-class of their Services, and ingress-class in config-network"
            )
            yield warning("classes", message, mend)
    for name in sorted(ours):
        yield good("classes", f"{counts[name]} KIngresses are of class {name}")


async def refusals(patient: Patient) -> AsyncIterator[Finding]:
    """KIngresses of ours that are not ready, and why: what a gateway refused (NACK) stands in their status."""
    ours = {f"{gateway}.ingress.networking.knative.dev" for gateway in patient.gateways}
    listed = [i for i in (await patient.client.list(INGRESSES)).items if _class(i) in ours]
    waiting = 0
    shown = 0
    for item in listed:
        name = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        state = _ready(item)
        if state.get("status") == "False":
            shown += 1
            if shown <= _SHOWN:
                message = f"KIngress {name}: {state.get('message') or state.get('reason')}"
                yield bad("routes", message, _mend(str(state.get("message", ""))))
        elif state.get("status") != "True" or not _seen(item):
            waiting += 1
    if shown > _SHOWN:
        yield bad("routes", f"{shown - _SHOWN} more KIngresses are not ready", "kubectl get king -A")
    if waiting:
        mend = "wait; if it stays so, see whether the controller leads and the gateways are connected"
        yield warning("routes", f"{waiting} KIngresses are not programmed yet", mend)
    if not shown and not waiting:
        yield good("routes", f"{len(listed)} KIngresses are ready")


def _mend(message: str) -> str:
    if "refused" in message:
        return "the gateway refused it and serves the last version it took: change what the message names"
    return "change what the message names"


def _ready(item: Object) -> Mapping[str, str]:
    conditions = (item.get("status") or {}).get("conditions") or ()
    nothing: dict[str, str] = {}
    return next((c for c in conditions if c.get("type") == "Ready"), nothing)


def _seen(item: Object) -> bool:
    seen = (item.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= item["metadata"].get("generation", 1))


async def migrating(patient: Patient) -> AsyncIterator[Finding]:
    """A migration from one gateway to another that somebody has left where it was."""
    found = await remembered(patient.client)
    if found is not None:
        message = f"from {found.state.source} to {found.state.target} is under way: both serve all KIngresses"
        yield warning("migration", message, "knet migrate status; knet migrate goes on, --back goes back")


async def orphans(patient: Patient) -> AsyncIterator[Finding]:
    """Objects whose owner is gone: left by a controller that was taken away too early, or a class that changed."""
    ingresses = await _listed(patient.client, INGRESSES)
    above = {
        i["metadata"]["uid"]
        for kind in (ROUTES, DOMAIN_MAPPINGS)
        for i in await _listed(patient.client, kind)
    }
    known = {i["metadata"]["uid"] for i in ingresses} | above
    classes = {i["metadata"]["uid"]: _class(i) for i in ingresses}
    under_way = await remembered(patient.client)
    both = {under_way.state.source, under_way.state.target} if under_way else set()
    count = 0
    found = [(INGRESSES, i, "") for i in ingresses]
    for gateway, kinds in _MADE.items():
        for kind in kinds:
            found += [(kind, i, gateway) for i in await _listed(patient.client, kind)]
    for kind, item, gateway in found:
        meta = item["metadata"]
        owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
        if owner is None:
            continue
        mend = f"kubectl -n {meta['namespace']} delete {kind.plural}.{kind.group} {meta['name']}"
        if owner["uid"] not in known:
            count += 1
            message = (
                f"{kind.kind} {meta['namespace']}/{meta['name']}: its {owner['kind']} {owner['name']} is gone"
            )
            yield warning("orphans", message, mend)
        elif gateway and gateway not in both and not classes.get(owner["uid"], "").startswith(f"{gateway}."):
            count += 1
            message = f"{kind.kind} {meta['namespace']}/{meta['name']}: its KIngress is of another class now"
            yield warning("orphans", message, mend)
    if not count:
        yield good("orphans", "none")


async def _listed(client: Client, kind: Resource) -> list[Object]:
    try:
        return (await client.list(kind)).items
    except NotFound:
        return []  # a kind that this cluster has not
