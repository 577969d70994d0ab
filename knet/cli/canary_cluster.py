"""Which cluster `knet canary` talks to, and the Canary of a Service in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Object = dict[str, Any]

CRD_HINT = "knet canary crd | kubectl apply -f -"


@dataclass(frozen=True, slots=True)
class Where:
    """The cluster and the namespace, as options say."""

    state: Path
    kubeconfig: Path | None
    context: str | None
    namespace: str

    def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Runs `work` with a client. Raises KnetError for what the API refuses, and where there is none."""
        from knet.local.state import holder

        given = self.kubeconfig is not None or self.context is not None
        if not given and (holder(self.state) is not None or not _known()):
            return cluster.with_client(self.state, work)
        return _with_kubeconfig(self.kubeconfig, self.context, work)


def _known() -> bool:
    return bool(os.environ.get("KUBECONFIG")) or (Path.home() / ".kube" / "config").exists()


def _with_kubeconfig(path: Path | None, context: str | None, work: Callable[[Any], Awaitable[T]]) -> T:
    import aiohttp
    from kubernetes.aio.config import ConfigException

    from knet.kube.client import Client
    from knet.kube.connection import from_kubeconfig
    from knet.kube.errors import ApiError

    async def run() -> T:
        async with Client(await from_kubeconfig(path, context)) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ConfigException as error:
        raise KnetError(checks.NOT_RUNNING(f"no cluster is known: {error}", hint="knet up")) from error
    except ApiError as error:
        raise KnetError(checks.API_REFUSED(error.message)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise KnetError(checks.NOT_RUNNING(f"the API does not answer: {error}")) from error


def options(function: F) -> F:
    """The options that say where; `where` takes them out of a command's arguments."""
    made: list[Callable[[Any], Any]] = [
        click.option("-n", "--namespace", default="default", show_default=True),
        cluster.STATE,
        click.option("--kubeconfig", type=click.Path(path_type=Path), help="Another cluster than knet up's."),
        click.option("--context", help="A context of the kubeconfig."),
    ]
    for option in reversed(made):
        function = option(function)
    return function


def where(given: dict[str, Any]) -> Where:
    return Where(given.pop("state"), given.pop("kubeconfig"), given.pop("context"), given.pop("namespace"))


async def canaries(client: Any, namespace: str | None) -> list[Object]:
    """All Canaries of a namespace. Raises KnetError (KNET380) where the cluster does not know the kind."""
    from knet.kube import resources
    from knet.kube.errors import NotFound

    try:
        found: list[Object] = (await client.list(resources.CANARIES, namespace)).items
    except NotFound:
        words = "the cluster has no kind Canary"
        raise KnetError(checks.NO_CANARY(words, hint=CRD_HINT)) from None
    return found


async def canary_of(client: Any, name: str, namespace: str) -> Object:
    """The Canary of a Service, or of that name. Raises KnetError (KNET380)."""
    found = await canaries(client, namespace)
    for item in found:
        if name in (item["spec"].get("service"), item["metadata"]["name"]):
            return item
    names = ", ".join(sorted(i["metadata"]["name"] for i in found))
    hint = f"there are {names}" if names else f"knet canary start {name} --image IMAGE"
    raise KnetError(checks.NO_CANARY(f"no canary of {namespace}/{name}", hint=hint))
