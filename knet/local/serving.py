"""Knative Serving on an embedded cluster: its kinds, and the ConfigMaps that make it fit this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from knet.backends.kourier import backend
from knet.control.definitions import definitions
from knet.control.serving.certificates import CLASS
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import AlreadyExists
from knet.model import network, network_domain
from knet.model.network import SYSTEM_NAMESPACE

CONFIG_MAPS: Mapping[str, Mapping[str, str]] = {
    network.NAME: {"ingress-class": backend.ingress_class, "certificate-class": CLASS},
    # browsers and curl take every name under it for this machine
    network_domain.NAME: {"localhost": ""},
}
"""What differs from Knative's defaults. Only the first start writes them: they are the user's from then on."""


async def install(client: Client) -> None:
    """Brings the kinds up to date, and makes the ConfigMaps that are not there."""
    for definition in definitions():
        await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
    for name, data in CONFIG_MAPS.items():
        meta = {"name": name, "namespace": SYSTEM_NAMESPACE}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(data)}
        with contextlib.suppress(AlreadyExists):
            await client.create(resources.CONFIG_MAPS, body)
