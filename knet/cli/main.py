"""`knet`: the group of subcommands. Nothing but click is imported until one is chosen."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

import knet

COMMANDS = {
    # name: (module, one line of help)
    "render": "Render KIngresses, Services, Routes and DomainMappings into gateway configuration.",
    "diff": "Show what a change does to routing: meaning first, then objects.",
    "explain": "Say where a request goes, with what probability, and why.",
    "validate": "Check files and say what is wrong, with file, line and the mend.",
    "kingress": "Print the KIngresses that Services, Routes and DomainMappings make.",
    "ci": "Print a workflow that checks routing on every pull request.",
    "traffic": "Edit the traffic block of a Service in place.",
    "canary": "Roll out a new revision by percentages: start, watch, step, abort, report.",
    "gateway": "Serve files through a live Envoy on localhost, and show what it has acknowledged.",
    "up": "Run an embedded cluster on this machine: API, pods as processes, a real Envoy.",
    "down": "End the embedded cluster; its state stays.",
    "reset": "End the embedded cluster and delete its state.",
    "status": "Show the embedded cluster: addresses, health, pods, KIngresses.",
    "top": "Show Services, revisions, pods, load and requests of the embedded cluster, live.",
    "logs": "Print the logs of a pod.",
    "apply": "Apply YAML to the embedded cluster, for those without kubectl.",
    "get": "List objects of the embedded cluster, for those without kubectl.",
    "delete": "Delete objects of the embedded cluster, for those without kubectl.",
    "image": "Say which command runs for an image name.",
    "install": "Install knet on a cluster with a gateway of your choice, or upgrade it.",
    "manifests": "Print what install applies, for Git.",
    "doctor": "Say what is wrong with knet on a cluster, and the mend.",
    "migrate": "Move a cluster from one gateway to another, and back, without a lost request.",
    "uninstall": "Take knet off a cluster; nothing stays.",
    "controller": "Run knet's controllers against a real cluster.",
    "activator": "Hold requests for revisions at zero until a pod is ready.",
    "autoscaler": "Run the autoscaler: revisions to zero and back.",
    "autoscale": "Replay what was measured of a revision: how it would have been scaled.",
    "backends": "List the gateways that are installed and what they can express.",
    "completion": "Print the completion script of bash, zsh or fish.",
}

HIDDEN = ("queue-proxy", "envoy-drain")
"""Commands for pods, not for people."""

EXAMPLES = """\b
Examples:
  knet render -f examples/ --gateway istio
  knet diff git:main . --gateway all
  knet explain http://hello.default.example.com/api -f examples/
"""


class LazyGroup(click.Group):
    """Lists commands from `COMMANDS` and imports `knet.cli.NAME` only when NAME is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        command: click.Command = importlib.import_module(f"knet.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command. A KnetError ends it with what it says, exit 2; Ctrl-C quietly, exit 130."""
        from knet.errors import KnetError

        try:
            return super().invoke(ctx)
        except KnetError as error:
            from knet.cli.output import report

            report(error.diagnostics)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(130)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in {*COMMANDS, *HIDDEN}:
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"no command {name}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(knet.__version__, prog_name="knet")
def cli() -> None:
    """knet: see, check and serve the routing of serverless on Kubernetes.

    Reads Knative's objects and renders them into Istio, Contour or Envoy.
    """


def main() -> None:
    """The console script. Exit status: 0 fine, 1 found something, 2 could not do it."""
    try:
        cli(prog_name="knet")
    except BrokenPipeError:
        # the reader (head, less) has gone: say nothing more, and let no flush at exit complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
