"""`knet explain scale REVISION`: the autoscaler's last decision about a revision, and what it came from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.errors import KnetError
from knet.text import json

_PATIENCE_S = 3.0
_NAMESPACE, _SERVICE, _PORT = "knative-serving", "autoscaler", "http"


def run(name: str, *, namespace: str, state: Path, form: str) -> None:
    """Prints it. Raises KnetError if no autoscaler can be asked, or none decides for the revision."""
    found = asyncio.run(_ask(namespace, name, state))
    if form == "json":
        click.echo(json.pretty(found))
    else:
        for line in lines(found):
            click.echo(line)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """For people."""
    outcome = found.get("outcome") or {}
    decided = found["decided"]
    when = f"decided {decided:.1f} s ago by {found['by']}" if decided is not None else f"by {found['by']}"
    wanted = outcome.get("want", found["desired"])
    yield f"{found['namespace']}/{found['revision']}: {_pods(wanted)} wanted, {found['ready_pods']} ready ({when})"
    if found["why_not"]:
        yield f"  nothing new was decided: {found['why_not']}"
    yield f"  {found['metric']}: {found['target']:g} for each pod, of {found['total']:g} that it can take"
    yield f"  {'window':8}{'seconds':>8}{'average':>10}{'asks for':>10}{'between':>14}{'gives':>7}"
    for window in found["windows"]:
        yield _window(window)
    yield from _rest(found, outcome)


def _pods(count: int | None) -> str:
    if count is None or count < 0:
        return "not known how many pods are"
    return f"{count} pod{'' if count == 1 else 's'}"


def _window(window: dict[str, Any]) -> str:
    head = f"  {window['name']:8}{window['seconds']:8g}"
    if window["average"] is None:
        return f"{head}{'no data':>10}"
    between = f"{window['at_least']}..{window['at_most']}"
    why = f"  by {window['limited_by']}" if window["limited_by"] else ""
    return f"{head}{window['average']:z10.3f}{window['raw']:10}{between:>14}{window['pods']:7}{why}"


def _rest(found: dict[str, Any], outcome: dict[str, Any]) -> Iterator[str]:
    panic = found["panic"]
    threshold = f"{panic['threshold'] * 100:g} %"
    if panic["on"]:
        yield f"  panic for {panic['since']:.1f} s (from {threshold} of the ready pods on): never below {panic['most']}"
    else:
        yield f"  no panic (from {threshold} of the ready pods on)"
    if found["scale_down_delay"]:
        yield f"  goes down only after {found['scale_down_delay']:g} s"
    if not found["reachable"]:
        yield "  no route leads to it: it may go down at once"
    if outcome:
        most = outcome["max"] or "none"
        yield f"  bounds: min {outcome['min']}, max {most}"
        excess, target = found["excess_burst_capacity"], found["target_burst_capacity"]
        ways = {"Proxy": f"through {outcome['activators']} activators", "Serve": "straight to its pods"}
        yield f"  burst capacity: {excess} beyond the target of {target:g}: requests go {ways[outcome['mode']]}"
        limit = f" ({outcome['limited_by']})" if outcome["limited_by"] else ""
        yield f"  → decided {found['desired']}, wanted {outcome['want']}{limit}, replicas {outcome['replicas']}"
        if outcome["again_s"]:
            yield f"  looked at again after {outcome['again_s']:g} s"


async def _ask(namespace: str, name: str, state: Path) -> dict[str, Any]:
    """Asks the autoscaler where its Service leads; where that is out of reach, through the API."""
    import aiohttp
    from kubernetes.aio.config import ConfigException

    from knet.cli.explain_chain import kubeconfig
    from knet.control.autoscaler.probe import addresses
    from knet.kube import resources
    from knet.kube.client import Client
    from knet.kube.connection import from_kubeconfig
    from knet.kube.errors import ApiError, NotFound

    path = f"/scale/{namespace}/{name}"
    try:
        async with Client(await from_kubeconfig(kubeconfig(state))) as client:
            try:
                endpoints = await client.get(resources.ENDPOINTS, _SERVICE, _NAMESPACE)
            except NotFound:
                endpoints = {}
            for host, port in addresses(endpoints, _PORT):
                found = await _get(f"http://{host}:{port}{path}")
                if found is not None:
                    return found
            through = resources.SERVICES.path(_NAMESPACE, f"{_SERVICE}:{_PORT}", "proxy")
            return _read(await client.raw(through + path))
    except ApiError as error:
        words = f"no autoscaler decides for {namespace}/{name} ({error.message})"
        raise KnetError(checks.NOT_RUNNING(words, hint="knet explain revision " + name)) from error
    except (aiohttp.ClientError, OSError, ConfigException) as error:
        words = f"no cluster answers ({error})"
        raise KnetError(checks.NOT_RUNNING(words, hint="knet up --detach, or set KUBECONFIG")) from error


async def _get(url: str) -> dict[str, Any] | None:
    """What an autoscaler answers; None if it is out of reach. Raises KnetError for one that says no."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)) as session,
            session.get(url) as answer,
        ):
            body = await answer.read()
            if answer.status != 200:
                raise KnetError(checks.NOT_RUNNING(body.decode(errors="replace").strip()))
            return _read(body)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def _read(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)
    return found
