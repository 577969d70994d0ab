"""What the commands for a real cluster share: which one, and a client of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from knet import checks
from knet.errors import KnetError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class At:
    """Which cluster, as the options say."""

    kubeconfig: Path | None = None
    context: str | None = None


def choosing(function: F) -> F:
    """The options --kubeconfig and --context."""
    where = click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The cluster.  [default: KUBECONFIG, else ~/.kube/config]",
    )
    context = click.option("--context", help="A context of the kubeconfig; else its current one.")
    return where(context(function))


def with_client(kubeconfig: Path | None, context: str | None, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs `work` with a client of the cluster. Raises KnetError for what it refuses, or if there is none."""
    import aiohttp

    from knet.kube.client import Client
    from knet.kube.errors import ApiError

    async def run() -> T:
        connection = await _connection(kubeconfig, context)
        async with Client(connection) as client:
            try:
                return await work(client)
            except aiohttp.ClientError as error:
                said = f"the cluster at {connection.url} does not answer: {error}"
                raise KnetError(
                    checks.NOT_RUNNING(said, hint="name another --kubeconfig or --context")
                ) from error

    try:
        return asyncio.run(run())
    except ApiError as error:
        hint = "ask for the permission, or use the context of an administrator" if error.status == 403 else ""
        raise KnetError(checks.CLUSTER_REFUSES(error.message, hint=hint)) from error


async def _connection(kubeconfig: Path | None, context: str | None) -> Any:
    from kubernetes.aio.config import ConfigException

    from knet.kube.connection import from_kubeconfig, in_cluster

    try:
        if kubeconfig is None and context is None and not os.environ.get("KUBECONFIG"):
            usual = Path.home() / ".kube" / "config"
            if not usual.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
                return in_cluster()
        return await from_kubeconfig(kubeconfig, context)
    except (ConfigException, OSError) as error:
        hint = "name a --kubeconfig, or set KUBECONFIG"
        raise KnetError(checks.NOT_RUNNING(f"no cluster is known ({error})", hint=hint)) from error
