"""system-internal-tls: gateways and activator, activator and pods speak TLS, with certificates that are exchanged under
live connections.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import pytest
from cryptography import x509

from activator_live import HELLO, Pod, activator_live, eventually
from apps import serve
from knet.control.serving import issuer
from knet.control.serving.certificates import CLASS
from knet.control.serving.pairs import pair_of, secret_of
from knet.dataplane.queue_probe import Probe
from knet.kube import resources
from knet.kube.errors import AlreadyExists
from live import envoy_gateway
from mounts import Mount
from objects import NAMESPACE, config_map, ingress, path, rule, split
from ports import free_ports
from queue_proxy import queue_proxy
from serving_live import serving_live

pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.usefixtures("envoy")]
HOST = "hello.default.example.com"
HEADERS = {"Knative-Serving-Revision": HELLO, "Knative-Serving-Namespace": "default"}
ROUTING, USER = "kn-routing", "kn-user-default"


def now():
    return dt.datetime.now(dt.UTC)


class Certificate:
    """One, as pods have it mounted."""

    def __init__(self, folder, authority, name):
        self.name, self.mount = name, Mount(folder)
        self.renew(authority)

    @property
    def folder(self):
        return self.mount.folder

    def renew(self, authority):
        made = issuer.issue(authority, [self.name], now())
        self.secret = secret_of("knative-serving", "routing-serving-certs", made, authority=authority)
        self.mount.update(self.secret)
        self.serial = x509.load_pem_x509_certificate(made.chain).serial_number


@asynccontextmanager
async def both(folder):
    """An activator, and a pod with a queue-proxy whose container is `pod`."""
    folder.joinpath("q").mkdir()
    authority, pod = issuer.make_authority(now()), Pod("a")
    routing = Certificate(folder / "routing", authority, ROUTING)
    user = Certificate(folder / "user", authority, USER)
    (secure,) = free_ports(1)
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(
            activator_live(folder / "a", certificates=str(routing.folder), https=secure)
        )
        await stack.enter_async_context(serve(pod))
        queue = await stack.enter_async_context(
            queue_proxy(
                pod.port, folder / "q", certificate=str(user.folder), tls_port=free_ports(1)[0], quiet=0.3,
                probes=(Probe("tcp", pod.port),),
            )
        )  # fmt: skip
        await live.revision()
        yield live, queue, pod, authority, routing, user


async def pods(live, queue=None):
    """What the private Service's endpoints say: nothing, or the queue-proxy."""
    ports = [{"name": "http", "port": 1}, {"name": "https", "port": queue.settings.tls_port}] if queue else []
    subsets = [{"addresses": [{"ip": "127.0.0.1"}], "ports": ports}] if queue else []
    await live._endpoints(f"{HELLO}-private", "Private", HELLO, subsets)


def trust(certificate):
    made = ssl.create_default_context(cafile=str(certificate.folder / "ca.crt"))
    made.check_hostname = True
    return made


async def get(session, live, routing):
    """A request as a gateway sends it: (status, the certificate that was shown)."""
    url = f"https://127.0.0.1:{live.settings.https}/"
    async with session.get(url, headers=HEADERS, ssl=trust(routing), server_hostname=ROUTING) as answer:
        await answer.read()
        shown = answer.connection.transport.get_extra_info("ssl_object") if answer.connection else None
        return answer.status, shown


async def shown(port, certificate):
    """The serial number of what a new connection is shown."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trust(certificate), server_hostname=certificate.name
    )
    chain = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(chain).serial_number


async def until_shown(port, certificate):
    async with asyncio.timeout(20):
        while True:
            try:
                if await shown(port, certificate) == certificate.serial:
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass  # of the authority before
            await asyncio.sleep(0.05)


async def test_held_and_warm_requests_pass_while_certificates_are_exchanged(tmp_path):
    async with (
        both(tmp_path) as (live, queue, pod, authority, routing, user),
        aiohttp.ClientSession() as session,
    ):
        held = asyncio.create_task(get(session, live, routing))
        await live.held(1)
        await pods(live, queue)
        assert (await held)[0] == 200
        assert pod.seen
        connections = queue.settings.tls_port, live.settings.https
        for new in (authority, issuer.make_authority(now())):
            before = len(pod.seen)
            asking, over = [], asyncio.Event()

            async def user_of_it(session=session, over=over):
                while not over.is_set():
                    status, _ = await get(session, live, routing)
                    assert status == 200

            if new is authority:  # of the same: nobody loses a request, on connections that stand or new ones
                asking = [asyncio.create_task(user_of_it()) for _ in range(4)]
            for certificate in (user, routing):
                certificate.renew(new)
            for port, certificate in zip(connections, (user, routing), strict=True):
                await until_shown(port, certificate)
            over.set()
            await asyncio.gather(*asking)
            # the one before is not trusted any longer where the authority is another: pods are asked with the new one
            async with asyncio.timeout(20), aiohttp.ClientSession() as fresh:
                while (await get(fresh, live, routing))[0] != 200:  # noqa: ASYNC110 - Envoy looks at files
                    await asyncio.sleep(0.05)
            assert len(pod.seen) > before


async def test_a_pod_of_another_authority_or_name_is_not_used(tmp_path):
    async with (
        both(tmp_path) as (live, queue, pod, authority, routing, user),
        aiohttp.ClientSession() as session,
    ):
        asked = []
        for wrong in (issuer.make_authority(now()), authority):
            user.name = USER if wrong is not authority else ROUTING
            user.renew(wrong)
            async with asyncio.timeout(20):
                while (await chain(queue.settings.tls_port)) != user.serial:  # noqa: ASYNC110 - Envoy looks at files
                    await asyncio.sleep(0.05)
            await pods(live)
            await eventually(lambda: not live.gate().pods)
            await live._endpoints(
                f"{HELLO}-private", "Private", HELLO,
                [{"notReadyAddresses": [{"ip": "127.0.0.1"}],
                  "ports": [{"name": "http", "port": 1}, {"name": "https", "port": queue.settings.tls_port}]}],
            )  # fmt: skip
            asked.append(asyncio.create_task(get(session, live, routing)))
            await live.held(len(asked))
        assert not pod.seen
        user.name = USER
        user.renew(authority)
        assert [status for status, _ in await asyncio.gather(*asked)] == [200, 200]


async def chain(port):
    """The serial number of what a port shows, whoever signed it."""
    anything = ssl.create_default_context()
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anything)
    data = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(data).serial_number


async def test_a_gateway_reaches_pods_through_the_activator_over_tls(tmp_path):
    folder = tmp_path / "g"
    folder.mkdir()
    async with both(tmp_path) as (live, queue, pod, _, routing, _), envoy_gateway(folder) as gateway:
        await pods(live, queue)
        secret = {**routing.secret, "metadata": {**routing.secret["metadata"], "uid": "uid"}}
        meta = {"name": HELLO, "namespace": NAMESPACE}
        ports = [{"name": "https", "port": 443, "targetPort": live.settings.https, "protocol": "TCP"}]
        await gateway.apply(
            secret,
            config_map("config-network", **{"system-internal-tls": "Enabled"}),
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "labels": {"kubernetes.io/service-name": HELLO}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
                "ports": [{"name": "https", "port": live.settings.https, "protocol": "TCP"}],
            },
        )
        to = path({**split(HELLO, 100, HEADERS), "servicePort": 443})
        await gateway.apply(ingress("hello", rule([HOST], to)))
        answer = await gateway.get(HOST)
        assert answer.status == 200
        assert pod.seen
        assert live.gate().requests == 1


@pytest.fixture
async def serving_with_tls():
    async with serving_live() as live:
        with suppress(AlreadyExists):
            await live.client.create(resources.NAMESPACES, {"metadata": {"name": "knative-serving"}})
        await live.configure(
            "config-network", **{"system-internal-tls": "Enabled", "certificate-class": CLASS}
        )
        yield live


async def test_certificates_are_made_where_revisions_are(serving_with_tls):
    live = serving_with_tls
    meta = {"name": "hello-00001", "namespace": "default"}
    body = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": meta,
            "spec": {"containers": [{"image": "i"}]}}  # fmt: skip
    await live.client.create(resources.REVISIONS, body)
    for namespace, name, host in (
        ("knative-serving", "routing-serving-certs", ROUTING),
        ("default", "serving-certs", USER),
    ):
        found = await live.until(resources.SECRETS, name, lambda s: s["data"].get("ca.crt"), namespace)
        pair = pair_of(found)
        assert pair is not None
        assert pair.names == {host}
