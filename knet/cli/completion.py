"""`knet completion`: what a shell needs to complete knet's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      knet completion bash > ~/.local/share/bash-completion/completions/knet
      knet completion zsh  > "${fpath[1]}/_knet"
      knet completion fish > ~/.config/fish/completions/knet.fish
    """  # noqa: D301
    found = get_completion_class(shell)
    if found is None:  # click knows the three
        raise click.UsageError(f"no completion for {shell}")
    made = found(ctx.find_root().command, {}, "knet", "_KNET_COMPLETE")
    click.echo(made.source())
