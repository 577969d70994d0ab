"""`knet queue-proxy`: the sidecar of every revision's pod, in place of Knative's."""

from __future__ import annotations

import os

import click


@click.command("queue-proxy", hidden=True)
def command() -> None:
    """Carry a pod's requests: limit and queue them, count them, probe, drain. For pods, not for people.

    Reads the environment that Knative gives its own queue-proxy, and ends when it has drained after
    SIGTERM. Images start `python -m knet.dataplane.queue`, which does the same and starts faster.
    """
    from knet.dataplane.queue import run

    run(os.environ)
