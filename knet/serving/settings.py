"""The ConfigMaps that decide what Knative's objects become, read together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model import (
    config_defaults,
    config_deployment,
    config_gc,
    config_logging,
    config_observability,
    features,
    network,
    network_domain,
)
from knet.model.config_defaults import Defaults
from knet.model.config_deployment import Deployment
from knet.model.config_gc import Gc
from knet.model.config_logging import Logging
from knet.model.config_observability import Observability
from knet.model.features import Features
from knet.model.network import SYSTEM_NAMESPACE, NetworkConfig
from knet.model.network_domain import DomainConfig
from knet.routing.world import World
from knet.scaling import config as autoscaler_config
from knet.scaling.config import Config as Autoscaler

T = TypeVar("T")

AUTOSCALER = "config-autoscaler"


@dataclass(frozen=True, slots=True)
class Settings:
    network: NetworkConfig = field(default_factory=NetworkConfig)
    domains: DomainConfig = field(default_factory=DomainConfig)
    features: Features = field(default_factory=Features)
    deployment: Deployment = field(default_factory=Deployment)
    observability: Observability = field(default_factory=Observability)
    autoscaler: Autoscaler = field(default_factory=Autoscaler)
    logging: Logging = field(default_factory=Logging)
    defaults: Defaults = field(default_factory=Defaults)
    gc: Gc = field(default_factory=Gc)


def settings(world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """From the World's ConfigMaps, with what is wrong in them (KNET103)."""
    net, bad_network = network.parse(world.config(network.NAME))
    domains, bad_domains = network_domain.parse(world.config(network_domain.NAME))
    switches, bad_switches = features.parse(world.config(features.NAME))
    bad: list[Diagnostic] = [*bad_network, *bad_domains, *bad_switches]

    def read(name: str, parse: Callable[[Mapping[str, str]], T]) -> T:
        try:
            return parse(world.config(name))
        except ValueError as error:
            about = ObjectRef("ConfigMap", SYSTEM_NAMESPACE, name)
            hint = "knet goes on as if the map were empty"
            bad.append(checks.BAD_CONFIG(str(error), about=about, field="data", hint=hint))
            return parse({})

    made = Settings(
        net,
        domains,
        switches,
        read(config_deployment.NAME, config_deployment.parse),
        read(config_observability.NAME, config_observability.parse),
        read(AUTOSCALER, autoscaler_config.parse),
        read(config_logging.NAME, config_logging.parse),
        read(config_defaults.NAME, config_defaults.parse),
        read(config_gc.NAME, config_gc.parse),
    )
    return made, tuple(bad)
