"""`knet explain`: where a request goes, with what probability, why, and what each gateway makes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from knet import checks
from knet.backends.decided import Explains, beyond, of_decision
from knet.cli import cluster, common, explain_text, output
from knet.cli.common import Made
from knet.cli.explain_text import Answer, Column, as_json
from knet.errors import Diagnostic, ObjectRef, Source
from knet.files import Composed, Loaded, compose, locate
from knet.model.kingress import KIND
from knet.routing.build import build
from knet.routing.diff.view import host_view
from knet.routing.match import Decision, Outcome, Request, decide
from knet.routing.passes.hosts import normal
from knet.routing.table import RoutingTable, Visibility

_CHAINS = ("service", "revision", "route")
_SCALE = "scale"


def _headers(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    made = []
    for value in values:
        name, colon, text = value.partition(":")
        if not colon or not name.strip() or any(c.isspace() for c in name.strip()):
            raise click.BadParameter(f"{value!r} is not 'Name: value'")
        made.append((name.strip(), text.strip()))
    return tuple(made)


def _explain_chain(word: str, names: tuple[str, ...], namespace: str, state: Path, form: str) -> None:
    if len(names) != 1:
        what = "revision" if word == _SCALE else word
        raise click.UsageError(f"name one {what}: knet explain {word} NAME")
    if word == _SCALE:
        from knet.cli import explain_scale

        explain_scale.run(names[0], namespace=namespace, state=state, form=form)
        return
    from knet.cli import explain_chain

    explain_chain.run(word, names[0], namespace=namespace, state=state, form=form)


@click.command("explain")
@click.argument("url")
@common.reading
@click.option("-H", "--header", "headers", multiple=True, callback=_headers, metavar="'NAME: VALUE'")
@click.option(
    "-X", "--method", default="GET", show_default=True, help="Shown only: routing goes by no method."
)
@click.option(
    "--visibility",
    type=click.Choice(["ext", "int"]),
    help="From outside or inside the cluster; else outside, if the host is served there.",
)
@click.option("--gateway", default=common.ALL, show_default=True, help="Ask this gateway, or all.")
@click.option("--probes", is_flag=True, help="Show routes that answer readiness probes too.")
@click.option("-n", "--namespace", default="default", show_default=True, help="Of `explain service NAME`.")
@cluster.STATE
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(
    *,
    url: str,
    headers: tuple[tuple[str, str], ...],
    method: str,
    visibility: str | None,
    gateway: str,
    probes: bool,
    namespace: str,
    state: Path,
    form: str,
    **given: Any,
) -> None:
    """Say where a request to URL goes, with what probability, and why.

    `knet explain service NAME` (revision, route) asks the cluster instead, and shows the whole chain from the
    Service to the gateway, with the state of each link and what it waits for. `knet explain scale REVISION` asks
    the autoscaler for its last decision and what it came from.

    One column for each gateway says what that one does, read off what is rendered for it.

    \b
    Exit status: 0 all agree and the request goes somewhere, 1 nobody takes it, 2 could not do it,
    3 gateways disagree.

    \b
    Examples:
      knet explain http://hello.default.example.com/api -f examples/
      knet explain https://hello.example.com -H 'Knative-Serving-Tag: canary' -f examples/ -o json
      knet explain service hello
      knet explain scale hello-00001
    """  # noqa: D301
    if url in (*_CHAINS, _SCALE):
        _explain_chain(url, given["paths"], namespace, state, form)
        return
    options = common.options_of(given)
    backends, problems = common.gateways(gateway)
    loaded = common.read(options)
    composed = compose(
        loaded,
        revision_names=options.revisions,
        assume_backends=options.assume_backends,
        lenient=options.lenient,
    )
    table = build(composed.world)
    request = _request(url, headers, visibility, table)
    decision = decide(table, request)
    columns = {
        name: _column(common.make(loaded, b, options), request, decision) for name, b in backends.items()
    }
    answer = Answer(
        request,
        method,
        decision,
        of_decision(decision),
        columns,
        _source(decision, loaded, composed),
        _certificates(table, request),
        inferred=visibility is None and request.visibility is Visibility.INTERNAL,
        probes=probes,
    )
    text = (
        explain_text.text(answer, colour=output.coloured(sys.stdout)) if form == "text" else as_json(answer)
    )
    click.echo(text, nl=False)
    output.report(
        [*problems, *loaded.diagnostics, *_dissent(answer)], quiet=options.quiet, verbose=options.verbose
    )
    sys.exit(_status(answer))


def _dissent(answer: Answer) -> Iterator[Diagnostic]:
    """What a gateway does otherwise, as a finding about the KIngress."""
    about = ObjectRef(KIND, *answer.decision.ingress) if answer.decision.ingress else None
    for name in answer.dissent:
        decided = answer.columns[name].decided
        assert decided is not None
        said = explain_text.says(decided)
        yield checks.GATEWAYS_DISAGREE(
            f"{said}, where the routing says {explain_text.says(answer.decided)}",
            about=about,
            gateway=name,
            source=answer.source,
            hint="knet validate tells what this gateway cannot express",
        )


def _status(answer: Answer) -> int:
    if answer.dissent:
        return 3
    return 0 if answer.decision.outcome in (Outcome.FORWARD, Outcome.REDIRECT) else 1


def _request(
    url: str, headers: tuple[tuple[str, str], ...], visibility: str | None, table: RoutingTable
) -> Request:
    """The request that a URL means. Raises BadParameter for what is no http URL."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise click.BadParameter(f"{url}: {error}", param_hint="URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise click.BadParameter(f"{url} is no http or https URL", param_hint="URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # a Host header asks for another host than the one connected to, as in curl
    named = next((v for n, v in headers if n.lower() == "host"), "")
    rest = tuple((n, v) for n, v in headers if n.lower() != "host")
    asked = named or (f"{host}:{port}" if port else host)
    inside = (Visibility.INTERNAL, normal(asked)) in table.owners
    outside = (Visibility.EXTERNAL, normal(asked)) in table.owners
    side = (
        Visibility(visibility)
        if visibility
        else Visibility.INTERNAL
        if inside and not outside
        else Visibility.EXTERNAL
    )
    return Request(asked, path, rest, parts.scheme, side)


def _column(made: Made, request: Request, decision: Decision) -> Column:
    """What the gateway does with the request, out of what is rendered for it."""
    key = decision.ingress
    if key and key not in made.table.ingresses:
        return Column(None, "the KIngress is of another class")
    if not isinstance(made.backend, Explains):
        return Column(None, "this gateway's backend cannot say")
    if why := beyond(made.backend.capabilities, made.table, request):
        return Column(None, why)
    remarks = tuple(
        f"{d.code} {d.message}"
        for d in made.diagnostics
        if d.gateway == made.backend.name and d.about and (d.about.namespace, d.about.name) == key
    )
    settings, _ = made.backend.settings(made.composed.world)
    return Column(made.backend.decide(made.rendered, settings, request), "", remarks)


def _source(decision: Decision, loaded: Loaded, composed: Composed) -> Source | None:
    """Where the route, or else its KIngress, stands in what the user wrote."""
    if decision.ingress is None:
        return None
    taken = decision.route
    field = f"spec.rules[{taken.rule}].http.paths[{taken.path}].splits" if taken else "spec"
    question = checks.DIFFERENT("", about=ObjectRef(KIND, *decision.ingress), field=field)
    (placed,) = locate([question], loaded, composed.parents)
    return placed.source


def _certificates(table: RoutingTable, request: Request) -> tuple[str, ...]:
    view = host_view(table, request.visibility, normal(request.host))
    return tuple(map(str, view.tls)) if view else ()
