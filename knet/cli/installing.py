"""What `knet install` and `knet manifests` share: the options that become `Values`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from knet import checks
from knet.errors import KnetError

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "--gateway",
        type=click.Choice(("istio", "contour", "kourier")),
        help="Who carries the traffic; kourier brings its own Envoys.  [default: kourier]",
    ),
    click.option(
        "--beside",
        type=click.Choice(("istio", "contour", "kourier")),
        help="A second gateway, for knet migrate from one to the other (docs/migrate.md).",
    ),
    click.option(
        "--mode",
        type=click.Choice(("full", "ingress-only")),
        help="All of Serving, or the gateway of a Knative Serving that is there.  [default: full]",
    ),
    click.option(
        "--replace",
        type=click.Choice(("net-istio", "net-contour", "net-kourier")),
        help="Take the place of Knative's own plugin, without a lost request (ingress-only).",
    ),
    click.option("--ha", is_flag=True, default=None, help="Two replicas of everything."),
    click.option("--image", help="The image of all components."),
    click.option("--domain", help="Routes get hosts below it; none: inside of the cluster only."),
    click.option(
        "--values",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A YAML file with more: replicas, resources, ConfigMaps (docs/install.md).",
    ),
]


def values_options(function: F) -> F:
    """The options; `values_of` takes them out of a command's arguments."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def values_of(given: dict[str, Any]) -> Any:
    """The values. Raises KnetError for each that is wrong."""
    from knet.install.values import read

    file = given.pop("file")
    names = ("gateway", "beside", "mode", "replace", "ha", "image", "domain")
    options = {name: given.pop(name) for name in names}
    return read(_file(file) if file else {}, options)


def _file(path: Path) -> dict[str, Any]:
    from knet.text import yaml

    try:
        documents = yaml.load_all(path.read_bytes())
    except OSError as error:
        raise KnetError(checks.UNREADABLE(f"{path}: {error.strerror}")) from error
    except yaml.YamlError as error:
        raise KnetError(checks.SYNTAX(f"{path}: {error}")) from error
    found = [d.data for d in documents if d.data is not None]
    if len(found) > 1 or not all(isinstance(data, dict) for data in found):
        raise KnetError(checks.BAD_VALUES(f"{path}: it has to be one mapping", hint="knet install --help"))
    made: dict[str, Any] = found[0] if found else {}
    return made
