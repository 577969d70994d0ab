"""A Service in `knet up` is served over https with its namespace's wildcard certificate, and with its own when that goes."""

from __future__ import annotations

import asyncio
import base64
import ssl

import pytest

from knet.control.serving.certificates import CLASS
from knet.kube import resources
from serving_live import Watching, ready, service
from up import Up, running

HOST = "hello.default.localhost"
WILDCARD = "*.default.localhost"
pytestmark = pytest.mark.usefixtures("envoy")


async def asked(up, context):
    """(names in the certificate, the answer) of the gateway over https; None while there is no such handshake."""
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", up.https, ssl=context, server_hostname=HOST
        )
    except OSError:
        return None
    shown = writer.get_extra_info("ssl_object").getpeercert()
    writer.write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
    said = (await reader.read()).decode()
    writer.close()
    return [name for _, name in shown["subjectAltName"]], said


async def served(up, context, names):
    """Asks until the gateway answers 200 with a certificate for these names, that its authority has signed."""
    async with asyncio.timeout(60):
        while True:
            found = await asked(up, context)
            if found and found[0] == names and found[1].startswith("HTTP/1.1 200 "):
                return found[1]


async def test_https_is_by_the_wildcard_of_the_namespace_until_its_label_goes(tmp_path):
    async with running(Up(tmp_path / "state")) as up, await up.client() as client:
        there = Watching(client, 60)
        network = {
            "external-domain-tls": "Enabled",
            "certificate-class": CLASS,
            "namespace-wildcard-cert-selector": "matchLabels: {wildcard: 'yes'}",
        }
        await client.patch(resources.CONFIG_MAPS, "config-network", {"data": network}, "knative-serving")
        await client.patch(resources.NAMESPACES, "default", {"metadata": {"labels": {"wildcard": "yes"}}})
        await there.until(resources.CERTIFICATES, WILDCARD[2:], ready)
        held = await client.get(resources.SECRETS, "knet-ca", "knative-serving")
        context = ssl.create_default_context(cadata=base64.b64decode(held["data"]["tls.crt"]).decode())

        await client.create(resources.KSERVICES, service(image="hello"))
        assert "Hello" in await served(up, context, [WILDCARD])
        made = await there.until(resources.KSERVICES, "hello", ready)
        assert made["status"]["url"] == f"https://{HOST}"

        await client.patch(resources.NAMESPACES, "default", {"metadata": {"labels": {"wildcard": None}}})
        assert "Hello" in await served(up, context, [HOST])
        # the collector takes the Secret of the first along: the name is free for the next
        await client.patch(resources.NAMESPACES, "default", {"metadata": {"labels": {"wildcard": "yes"}}})
        assert "Hello" in await served(up, context, [WILDCARD])
