"""Canaries in Git: a step as an edit of the Service's file, and a Canary's plan as a list of them."""

from __future__ import annotations

from typing import Any

import click
from pydantic import ValidationError

from knet import checks
from knet.errors import KnetError
from knet.rollout.plan import BadPlan, Plan
from knet.text import json


def step(inputs: tuple[str, ...], service: str, to: int | None, *, dry_run: bool) -> None:
    """Gives the canary of a file `to` percent: the newest revision that its block names, @latest included."""
    from knet.files import edit
    from knet.serving.shares import LATEST, Target, resolve

    if to is None:
        raise click.UsageError("say how much the canary is to have: --to PERCENT")
    found = edit.find(inputs, service)
    named = sorted((t.revision for t in found.targets if t.revision), key=lambda n: (len(n), n))
    canary = LATEST if any(not t.revision for t in found.targets) or not named else named[-1]
    if len({t.name for t in found.targets}) < 2:
        words = f"the traffic block names {canary} alone: nobody is there to share with"
        hint = f"knet traffic set {found.block.name} --to REVISION={100 - to} --to @latest={to} -f FILE names both"
        raise KnetError(checks.TRAFFIC_BLOCK(words, about=found.ref, hint=hint))
    made: tuple[Target, ...] = found.targets
    edited = edit.edit(found, {resolve(canary, made): to}, {})
    if dry_run:
        click.echo(edited.patch, nl=False)
        return
    if edited.content == found.content:
        click.echo(f"{found.file}: already so")
        return
    edit.write(edited)
    click.echo(f"{found.file}:{found.block.line}: {canary} now has {to} %")


def plan(filename: str, *, as_json: bool) -> None:
    """Prints the steps of the Canary in a file. Raises KnetError (KNET382)."""
    from knet.cli.apply import read
    from knet.files.wrong import explain
    from knet.model import canary
    from knet.rollout.spec import plan_of

    bodies = [b for b in read((filename,)) if b["kind"] == canary.KIND]
    if not bodies:
        raise KnetError(checks.NOT_AN_OBJECT(f"{filename} has no Canary"))
    for body in bodies:
        try:
            made = canary.parse(body)
            found = plan_of(made.spec)
        except BadPlan as error:
            raise KnetError(checks.BAD_PLAN(error.message, field=error.field)) from error
        except ValidationError as error:
            raise KnetError(*explain(canary.Canary, error)) from error
        click.echo(json.pretty(_data(made, found)) if as_json else _text(made, found))


def _data(made: Any, found: Plan) -> dict[str, Any]:
    steps = [
        {"weight": s.weight, "seconds": s.pause, "approval": s.approval, "analysis": s.analysis}
        for s in found.steps
    ]
    return {"service": made.spec.service, "steps": steps, "seconds": sum(s.pause for s in found.steps)}


def _text(made: Any, found: Plan) -> str:
    service = made.spec.service
    lines = [f"{service}: {len(found.steps)} steps, {_span(sum(s.pause for s in found.steps))} at the least"]
    for i, one in enumerate(found.steps, 1):
        waits = [_span(one.pause)] if one.pause else []
        waits += ["an approval"] if one.approval else []
        if one.analysis and found.analysis is not None:
            waits.append(f"{found.analysis.requests} requests of each side, none of them proof of harm")
        waits += [f"the hook {h.name} after it" for h in found.hooks_of("after", i - 1)]
        before = [f"asks {h.name}, " for h in found.hooks_of("before", i - 1)]
        then = f"; then waits for {' and '.join(waits)}" if waits else ""
        who = "" if one.weight else f" (only {found.tag})"
        lines.append(f"  {i}. {''.join(before)}{one.weight} %{who}{then}")
    if found.windows:
        lines.append(f"  steps only {' or '.join(map(str, found.windows))}")
    lines.append(
        f"  a failure: {'all back to the stable revision' if found.on_failure == 'rollback' else 'hold'}"
    )
    lines.append("by Git, one commit each (knet diff --max-shift limits them):")
    lines += [
        f"  knet canary step {service} -f service.yaml --to {s.weight}" for s in found.steps if s.weight
    ]
    return "\n".join(lines)


def _span(seconds: float) -> str:
    whole = int(seconds)
    parts = [(whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"
