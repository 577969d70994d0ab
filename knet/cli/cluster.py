"""What the commands of the embedded cluster share: where it is, and a client of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from knet import checks
from knet.errors import Diagnostic, KnetError, ObjectRef
from knet.local.state import ready, token

T = TypeVar("T")


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


def with_client(state: Path, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs `work` with a client of the cluster. Raises KnetError for what the API refuses (KNET362).

    Address and token come from the directory itself: reading a kubeconfig in general costs a second of import.
    """
    import aiohttp

    from knet.kube.client import Client
    from knet.kube.connection import with_token
    from knet.kube.errors import ApiError

    told = ready(state)

    async def run() -> T:
        async with Client(with_token(told["api"], token(state), state / "api.crt")) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ApiError as error:
        raise KnetError(checks.API_REFUSED(error.message)) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        words = f"the API at {told['api']} does not answer: {error}"
        raise KnetError(checks.NOT_RUNNING(words, hint="knet status")) from error


class Refusals:
    """What the API refuses of several objects, collected: one bad object does not keep the others from their turn.

    A context manager; raises KnetError with all of them at the end.
    """

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._found and error is None:
            raise KnetError(*self._found)

    @contextmanager
    def of(self, about: ObjectRef) -> Iterator[None]:
        """What is done with one object."""
        from knet.kube.errors import ApiError

        try:
            yield
        except ApiError as error:
            self._found.append(checks.API_REFUSED(error.message, about=about))
        except KnetError as error:
            self._found += (replace(found, about=about) for found in error.diagnostics)
