"""The three ConfigMaps that decide what a Route becomes, read together."""

from __future__ import annotations

from dataclasses import dataclass, field

from knet.errors import Diagnostic
from knet.model import features, network, network_domain
from knet.model.features import Features
from knet.model.network import NetworkConfig
from knet.model.network_domain import DomainConfig
from knet.routing.world import World


@dataclass(frozen=True, slots=True)
class Settings:
    network: NetworkConfig = field(default_factory=NetworkConfig)
    domains: DomainConfig = field(default_factory=DomainConfig)
    features: Features = field(default_factory=Features)


def settings(world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """From the World's ConfigMaps, with what is wrong in them (KNET103)."""
    net, bad_network = network.parse(world.config(network.NAME))
    domains, bad_domains = network_domain.parse(world.config(network_domain.NAME))
    switches, bad_switches = features.parse(world.config(features.NAME))
    return Settings(net, domains, switches), (*bad_network, *bad_domains, *bad_switches)
