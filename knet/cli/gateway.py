"""`knet gateway`: a live Envoy on localhost, fed from files."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import gateway_text, output
from knet.errors import Diagnostic, KnetError


def _state_directory() -> str:
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/knet-{os.getuid()}"  # noqa: S108 - one for each user
    return str(Path(base) / "knet-gateway")


_STATE = click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=_state_directory,
    help="Directory for sockets and the bootstrap.  [default: below $XDG_RUNTIME_DIR]",
)


@click.group("gateway")
def command() -> None:
    """Serve files through a live Envoy on localhost, and show what it has acknowledged."""


@command.command("run")
@click.option(
    "-f",
    "--filename",
    "inputs",
    multiple=True,
    required=True,
    metavar="INPUT",
    help="File, directory, glob or git:REV[:PATH]. Repeatable.",
)
@click.option("--watch/--no-watch", default=True, show_default=True, help="Take up edits at once.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Where Envoy listens.")
@click.option("--http", default=8080, show_default=True, help="Port of the outer gateway; 0: none.")
@click.option("--https", default=8443, show_default=True, help="The same, with TLS; 0: none.")
@click.option("--internal", default=8081, show_default=True, help="Port of the inner gateway; 0: none.")
@click.option("--xds", default="127.0.0.1:0", show_default=True, help="Where gateways ask for configuration.")
@click.option("--envoy/--no-envoy", "own_envoy", default=True, show_default=True, help="Run an Envoy too.")
@click.option("--concurrency", default=0, help="Worker threads of Envoy.  [default: one for each core]")
@click.option("--log-level", default="warning", show_default=True, help="Envoy's log level.")
@click.option("--log", type=click.Path(path_type=Path), help="Envoy's log file.  [default: stderr]")
@click.option("--drain", default=5, show_default=True, help="Seconds that requests have at the end.")
@click.option("--assume-backends", is_flag=True, help="Take every Service that gets traffic as there.")
@_STATE
def run_command(
    *, own_envoy: bool, concurrency: int, log_level: str, log: Path | None, drain: int, **given: Any
) -> None:
    """Serve KIngresses, Services, Routes and DomainMappings from files until Ctrl-C.

    A file that goes bad keeps serving what it last said, and is reported.

    \b
    Examples:
      knet gateway run -f examples/shop
      curl -H 'Host: hello.default.example.com' localhost:8080
    """  # noqa: D301
    from knet.control.local import Run, Voice, run
    from knet.control.runner import runner
    from knet.envoy.process import Options
    from knet.envoy.process_find import find_envoy

    binary = find_envoy(os.environ) if own_envoy else None
    options = Options(concurrency, log_level, log=log, drain_seconds=drain)
    wanted = Run(envoy=binary, options=options, **given)
    voice = Voice(_findings, _readiness, _started)
    with runner() as running:
        running.run(run(wanted, voice))


@command.command("status")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@_STATE
def status_command(form: str, state: Path) -> None:
    """Show what each gateway has acknowledged, and what it refused and why.

    \b
    Exit status: 0 all ready, 1 something waits or failed, 2 no gateway runs here.
    """  # noqa: D301
    from knet.control.status_socket import socket_of
    from knet.envoy.bootstrap import Unix
    from knet.envoy.process_admin import request
    from knet.text import json

    try:
        _, text = asyncio.run(request(Unix(socket_of(state)), "/status"))
    except OSError as error:
        raise KnetError(
            checks.ENVOY_FAILED(
                f"no gateway answers at {socket_of(state)}: {error}", hint="knet gateway run -f DIR"
            )
        ) from error
    told = json.loads(text)
    click.echo(json.pretty(told) if form == "json" else gateway_text.status(told))
    if any(line["state"] != "ready" for line in told["ingresses"]):
        sys.exit(1)


def _findings(findings: Iterable[Diagnostic]) -> None:
    output.report(findings)


def _readiness(key: tuple[str, str], state: Any) -> None:
    click.echo(gateway_text.readiness(key, str(state.state), state.reason), err=True)


def _started(where: Mapping[str, Any]) -> None:
    click.echo(gateway_text.started(where), err=True)
