"""`knet explain service NAME`: the whole chain from a Service to the gateway, with the state of each link."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.errors import KnetError
from knet.serving.chain import CHAINS, GATEWAY, Held, Link, State
from knet.text import json

_MARKS = {State.READY: ("✓", "green"), State.WAITING: ("…", "yellow"), State.FAILED: ("✗", "red")}


def run(word: str, name: str, *, namespace: str, state: Path, form: str) -> None:
    """Prints a chain; exits 0 if all of it is ready, else 1. Raises KnetError if no cluster can be asked."""
    held = asyncio.run(read(namespace, state))
    link = CHAINS[word](held, (namespace, name))
    if form == "json":
        click.echo(json.pretty({**asdict(link), "ready": link.culprit is None}))
    else:
        for line in lines(link):
            click.echo(line)
    sys.exit(0 if link.culprit is None else 1)


def lines(link: Link) -> list[str]:
    """The tree, and in the end what all of it waits for."""
    made = list(tree(link, "", ""))
    culprit = link.culprit
    if culprit is not None and culprit is not link:
        said = f": {culprit.said}" if culprit.said else ""
        made += ["", f"It waits for {culprit.kind} {culprit.name}{said}"]
    return made


def tree(link: Link, first: str = "", rest: str = "") -> Iterator[str]:
    """A link and what is below it, a line each."""
    sign, colour = _MARKS.get(link.state, ("✗", "red"))
    facts = f"  {', '.join(link.facts)}" if link.facts else ""
    yield f"{first}{click.style(sign, fg=colour)} {link.kind} {link.name}{facts}"
    if link.said:
        yield f"{rest}{'│ ' if link.children else '  '}  {link.said}"
    for at, child in enumerate(link.children):
        last = at == len(link.children) - 1
        yield from tree(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


async def read(namespace: str | None, state: Path) -> Held:
    """Everything of a namespace (None: of all) that chains and trees look at. Kinds that are not there are empty.

    Raises KnetError if no cluster answers.
    """
    import aiohttp
    from kubernetes.aio.config import ConfigException

    from knet.kube import resources as kinds
    from knet.kube.client import Client
    from knet.kube.connection import from_kubeconfig
    from knet.kube.errors import NotFound

    wanted = {
        "Service.serving.knative.dev": kinds.KSERVICES,
        **{
            kind.kind: kind
            for kind in (
                kinds.CONFIGURATIONS, kinds.REVISIONS, kinds.ROUTES, kinds.INGRESSES, kinds.CERTIFICATES, kinds.DEPLOYMENTS,
                kinds.PODS, kinds.POD_AUTOSCALERS, kinds.SERVERLESS_SERVICES, kinds.ENDPOINTS,
            )
        },
    }  # fmt: skip
    path = kubeconfig(state)
    made: dict[str, Any] = {}
    try:
        async with Client(await from_kubeconfig(path)) as client:
            for name, kind in wanted.items():
                try:
                    items = (await client.list(kind, namespace)).items
                except NotFound:
                    items = []
                made[name] = {(i["metadata"]["namespace"], i["metadata"]["name"]): i for i in items}
    except (aiohttp.ClientError, OSError, ConfigException) as error:
        message = f"no cluster answers ({error})"
        raise KnetError(checks.NOT_RUNNING(message, hint="knet up --detach, or set KUBECONFIG")) from error
    if path is not None or os.environ.get("KUBECONFIG") == str(state / "kubeconfig"):
        made[GATEWAY] = await _gateway(state)
    return made


async def _gateway(state: Path) -> dict[tuple[str, str], Any]:
    """What the embedded cluster's gateway says of each KIngress; nothing if it does not answer."""
    from knet.control.status_socket import socket_of
    from knet.envoy.bootstrap import Unix
    from knet.envoy.process_admin import request

    try:
        _, text = await request(Unix(socket_of(state)), "/status")
    except OSError:
        return {}
    told = json.loads(text)
    return {
        (line["namespace"], line["name"]): {**line, "gateways": told["gateways"]}
        for line in told["ingresses"]
    }


def kubeconfig(state: Path) -> Path | None:
    """The embedded cluster's, unless KUBECONFIG names one or there is none: then the usual one."""
    own = state / "kubeconfig"
    return None if os.environ.get("KUBECONFIG") or not own.exists() else own
