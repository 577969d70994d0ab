"""What an operator may decide of an installation: the options of `knet install` and the keys of `--values`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

import knet
from knet import checks
from knet.errors import Diagnostic, KnetError

GATEWAYS = ("istio", "contour", "kourier")
Quantities = dict[str, str]


class Mode(StrEnum):
    """`full`: all of Serving. `ingress-only`: the gateway of a Knative Serving that is there."""

    FULL = "full"
    INGRESS_ONLY = "ingress-only"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Resources(_Part):
    """Of one container."""

    requests: Quantities = Field(default_factory=dict)
    limits: Quantities = Field(default_factory=dict)


def _resources(cpu: str, memory: str, most: str) -> Resources:
    return Resources(requests={"cpu": cpu, "memory": memory}, limits={"memory": most})


class Component(_Part):
    """One Deployment. `replicas` None: 1, or 2 with --ha."""

    replicas: int | None = Field(default=None, ge=0)
    resources: Resources = Resources()


class Activator(Component):
    """Scaled between `replicas` and `max_replicas` by its use of the CPU."""

    max_replicas: int = Field(default=20, ge=1)
    target_cpu_percent: int = Field(default=100, ge=1)


class Gateway(Component):
    """Kourier's Envoys, and the Service that the world comes through."""

    service_type: str = Field(default="LoadBalancer", pattern="^(LoadBalancer|NodePort|ClusterIP)$")
    http_node_port: int | None = Field(default=None, ge=1, le=65535)
    https_node_port: int | None = Field(default=None, ge=1, le=65535)
    annotations: dict[str, str] = Field(default_factory=dict)


class Values(_Part):
    """All of it. `beside` is a second gateway, while a migration between the two is under way. `config` adds keys to Knative's ConfigMaps by name; `domain` is the one Routes are below."""

    gateway: str = "kourier"
    beside: str = ""
    mode: Mode = Mode.FULL
    replace: str = ""
    ha: bool = False
    image: str = f"knet:{knet.__version__}"
    pull_policy: str = Field(default="IfNotPresent", pattern="^(IfNotPresent|Always|Never)$")
    pull_secrets: tuple[str, ...] = ()
    domain: str = ""
    network_policies: bool = True
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    priority_class: str = ""
    config: dict[str, dict[str, str]] = Field(default_factory=dict)
    controller: Component = Component(resources=_resources("100m", "200Mi", "1000Mi"))
    autoscaler: Component = Component(resources=_resources("100m", "150Mi", "1000Mi"))
    activator: Activator = Activator(resources=_resources("300m", "100Mi", "1000Mi"))
    envoy: Gateway = Gateway(resources=_resources("200m", "200Mi", "1000Mi"))

    @field_validator("gateway", "beside")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        if value not in GATEWAYS and (value or info.field_name == "gateway"):
            raise ValueError(f"{value} is none of {', '.join(GATEWAYS)}")
        return value

    @field_validator("replace")
    @classmethod
    def _plugin(cls, value: str) -> str:
        if value and value not in PLUGINS:
            raise ValueError(f"{value} is none of {', '.join(PLUGINS)}")
        return value

    @property
    def gateways(self) -> tuple[str, ...]:
        """All gateways that are served."""
        return (self.gateway, self.beside) if self.beside else (self.gateway,)

    @property
    def ingress_class(self) -> str:
        """The class whose KIngresses are ours: that of Knative's own plugin of the gateway."""
        return f"{self.gateway}.ingress.networking.knative.dev"

    def replicas(self, part: Component) -> int:
        """How many replicas of a component there are."""
        if part.replicas is not None:
            return part.replicas
        return 2 if self.ha else 1


PLUGINS = {f"net-{gateway}": gateway for gateway in GATEWAYS}
"""Knative's plugins that can be replaced, and the gateway of each."""


def read(file: Mapping[str, Any], options: Mapping[str, Any]) -> Values:
    """The values of a file with the options of the command line over them (those that are None count for nothing).

    Raises KnetError (KNET380) with every value that is wrong.
    """
    given = {**file, **{key: value for key, value in options.items() if value is not None}}
    try:
        made = Values.model_validate(given)
    except ValidationError as error:
        raise KnetError(*map(_finding, error.errors(include_url=False))) from error
    if made.replace and PLUGINS[made.replace] != made.gateway:
        said = f"{made.replace} cannot be replaced by {made.gateway}: its KIngresses are of another class"
        hint = f"--gateway {PLUGINS[made.replace]}"
        raise KnetError(checks.BAD_VALUES(said, hint=hint))
    if made.beside and (made.beside == made.gateway or made.replace):
        said = f"--beside {made.beside} goes with another --gateway, and not with --replace"
        raise KnetError(checks.BAD_VALUES(said, hint="docs/migrate.md"))
    if made.replace and made.mode is not Mode.INGRESS_ONLY:
        hint = "--mode ingress-only: the rest of Serving stays as it is"
        raise KnetError(
            checks.BAD_VALUES(f"{made.replace} is replaced in an upstream Serving only", hint=hint)
        )
    return made


def _finding(error: Any) -> Diagnostic:
    where = ".".join(map(str, error["loc"]))
    hint = "knet install --help names the values" if error["type"] == "extra_forbidden" else ""
    return checks.BAD_VALUES(f"{where}: {error['msg']}", field=where, hint=hint)
