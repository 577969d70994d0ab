"""Services, Revisions and Routes as trees: what has which share of the traffic, and the pods behind it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from knet.model.serving import CONFIGURATION_LABEL, REVISION_LABEL
from knet.serving.chain import KSERVICE, Held, Link, State, labels, link, pod, revisions_of

Key = tuple[str, str]


def service_tree(held: Held, key: Key) -> Link:
    """A Service, its revisions that matter (traffic, tag, newest, pods), and their pods."""
    service = held[KSERVICE][key]
    status = service.get("status") or {}
    shares = _shares(status.get("traffic") or ())
    newest, good = status.get("latestCreatedRevisionName"), status.get("latestReadyRevisionName")
    children = []
    for name in reversed(revisions_of(held, key)):
        facts = list(shares.get(name, ()))
        if name == newest:
            facts.append("latest")
        pods = _pods(held, key[0], name)
        if facts or pods or name == good:
            children.append(_revision(held, (key[0], name), facts, pods))
    hidden = len(revisions_of(held, key)) - len(children)
    url = status.get("url")
    facts = [*([url] if url else []), *([f"{hidden} more revisions without traffic"] if hidden else [])]
    return link("Service", service, facts, tuple(children))


def revision_tree(held: Held, key: Key) -> Link:
    """A revision with its share of every Route, how it is scaled, and its pods."""
    revision = held["Revision"][key]
    configuration = labels(revision).get(CONFIGURATION_LABEL, "")
    facts = [f"of {configuration}"] if configuration else []
    for (namespace, name), route in sorted(held.get("Route", {}).items()):
        shares = _shares((route.get("status") or {}).get("traffic") or ())
        if namespace == key[0]:
            facts += [f"{share} of Route {name}" for share in shares.get(key[1], ())]
    return _revision(held, key, facts, _pods(held, *key))


def route_tree(held: Held, key: Key) -> Link:
    """A Route and each share of its traffic, with its tag's URL."""
    route = held["Route"][key]
    status = route.get("status") or {}
    children = []
    for target in status.get("traffic") or ():
        name = target.get("revisionName", "")
        revision = held.get("Revision", {}).get((key[0], name))
        facts = [_share(target), *([target["url"]] if target.get("url") else [])]
        missing = Link("Revision", name, State.MISSING, "there is no such Revision", tuple(facts))
        children.append(link("Revision", revision, facts) if revision is not None else missing)
    url = status.get("url")
    return link("Route", route, [url] if url else [], tuple(children))


def _revision(held: Held, key: Key, facts: list[str], pods: tuple[Link, ...]) -> Link:
    scaler = held.get("PodAutoscaler", {}).get(key) or {}
    status = scaler.get("status") or {}
    ready = sum(child.state is State.READY for child in pods)
    wanted = status.get("desiredScale", -1)
    if not pods:
        facts = [*facts, "scaled to zero" if wanted == 0 else "no pods"]
    else:
        facts = [*facts, f"{ready} of {max(len(pods), wanted)} pods ready"]
    return link("Revision", held["Revision"][key], facts, pods)


def _pods(held: Held, namespace: str, revision: str) -> tuple[Link, ...]:
    found = sorted(held.get("Pod", {}).items())
    return tuple(
        pod(item)
        for key, item in found
        if key[0] == namespace and labels(item).get(REVISION_LABEL) == revision
    )


def _shares(traffic: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """By revision, what its shares are called; a tag that has none is said by itself."""
    made: dict[str, list[str]] = {}
    for target in traffic:
        made.setdefault(target.get("revisionName", ""), []).append(_share(target))
    return made


def _share(target: Mapping[str, Any]) -> str:
    tag, percent = target.get("tag"), target.get("percent") or 0
    if tag and not percent:
        return f"tag {tag}"
    return f"{percent} %" + (f", tag {tag}" if tag else "")


Tree = Callable[[Held, Key], Link]
TREES: Mapping[str, tuple[str, Tree]] = {
    "services": (KSERVICE, service_tree),
    "revisions": ("Revision", revision_tree),
    "routes": ("Route", route_tree),
}
"""By the plural that people use, the kind (as in `Held`) and what makes the tree of one."""
