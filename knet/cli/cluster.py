"""What the commands of the embedded cluster share: where it is, and a client of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from knet import checks
from knet.errors import KnetError
from knet.text import json

T = TypeVar("T")
Object = dict[str, Any]


def state_directory() -> str:
    """Where an embedded cluster keeps itself unless told otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "knet")


STATE = click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=state_directory,
    envvar="KNET_STATE",
    help="Directory of the cluster.  [default: below $XDG_DATA_HOME; env: KNET_STATE]",
)


def ready(state: Path) -> Object:
    """What a running cluster says of itself. Raises KnetError (KNET361) if none runs."""
    try:
        told: Object = json.loads((state / "ready.json").read_bytes())
        os.kill(told["pid"], 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, KeyError) as error:
        raise not_running(state) from error
    except PermissionError:
        pass  # it runs, as somebody else
    return told


def not_running(state: Path) -> KnetError:
    return KnetError(checks.NOT_RUNNING(f"no cluster runs on {state}", hint="knet up --detach"))


def with_client(state: Path, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs `work` with a client of the cluster. Raises KnetError for what the API refuses."""
    import aiohttp

    from knet.kube.client import Client
    from knet.kube.connection import from_kubeconfig
    from knet.kube.errors import ApiError

    told = ready(state)

    async def run() -> T:
        async with Client(await from_kubeconfig(Path(told["kubeconfig"]))) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ApiError as error:
        raise KnetError(checks.NOT_RUNNING(error.message)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise not_running(state) from error
