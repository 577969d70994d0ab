"""Who may report demand: with certificates, which are renewed under a live connection, and with a token."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import aiohttp
import pytest
from cryptography import x509

from knet.control import component_certificates, xds_certificates
from knet.control.autoscaler import process
from knet.control.component_certificates import ACTIVATOR_SECRET, AUTOSCALER_SECRET
from knet.control.serving.certificates import AUTHORITY
from knet.dataplane.activator_reports import Reports
from knet.dataplane.peers import AUTOSCALER, Peers
from knet.kube.lease import Terms
from knet.kube.resources import NAMESPACES, SECRETS
from knet.scaling.stat import Report, Stat, encode_reports
from mounts import Mount
from ports import free_ports
from scaling_live import scaled_live

SYSTEM, GATEWAYS = "knative-serving", "kourier-system"
REPORTS = [Report("default", "nobody", Stat("activator", 1.0))]


@pytest.fixture
async def live():
    async with scaled_live(loops=False) as made:
        yield made


@contextlib.asynccontextmanager
async def autoscaler(live, peers, name="one"):
    """One replica: its port, and the one for reports."""
    port, reports = free_ports(2)
    ready = asyncio.Event()
    running = asyncio.create_task(
        process.run(
            live.client, ("127.0.0.1", port), name, terms=Terms(), peers=peers,
            reports=("127.0.0.1", reports), ready=lambda _: ready.set(),
        )
    )  # fmt: skip
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED, timeout=20)
    if running.done():
        running.result()
    try:
        yield port, reports
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def reporting(url, peers):
    """An activator's way to the autoscaler."""
    made = Reports(url, list, peers)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def counted(port, outcome):
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        said = await answer.text()
    begin = f'kn_autoscaler_reports_total{{outcome="{outcome}"}} '
    return int(next((line for line in said.splitlines() if line.startswith(begin)), " 0").rpartition(" ")[2])


async def more(port, strangers):
    return await counted(port, "strangers") > strangers


async def heard(port, reports, number):
    """Waits until so many reports have come, and sends one now and then."""
    async with asyncio.timeout(20):
        while await counted(port, "received") < number:
            if reports.connected:
                reports.send(REPORTS)
            await asyncio.sleep(0.05)


class Certificates:
    """The Secrets of both as pods mount them."""

    def __init__(self, live, folder):
        self.live = live
        self.mounts = {name: Mount(folder / name) for name in (AUTOSCALER_SECRET, ACTIVATOR_SECRET)}

    def peers(self, name):
        return Peers(self.mounts[name].folder)

    async def renew(self, *gone):
        for name in gone:
            await self.live.client.delete(SECRETS, name, SYSTEM)
        await component_certificates.renew(self.live.client)
        for name, mount in self.mounts.items():
            mount.update(await self.live.client.get(SECRETS, name, SYSTEM))
        return x509.load_pem_x509_certificate(self.file(AUTOSCALER_SECRET, "tls.crt")).serial_number

    def file(self, name, file):
        return (self.mounts[name].folder / file).read_bytes()


async def shown(port, peers):
    """The serial number of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=peers.client(), server_hostname=AUTOSCALER
    )
    chain = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(chain).serial_number


async def until(test):
    """Waits for what nobody tells."""
    async with asyncio.timeout(20):
        while not await test():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def asked(port, peers):
    """What a websocket with these credentials comes to: a status, or that the connection is refused."""
    async with aiohttp.ClientSession() as session:
        try:
            await session.ws_connect(
                f"wss://127.0.0.1:{port}/", ssl=peers.client(), server_hostname=AUTOSCALER
            )
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        except (aiohttp.ClientError, OSError):
            return "refused"
    return "taken"


async def test_certificates_and_their_authority_are_renewed_under_a_live_connection(live, tmp_path):
    made = Certificates(live, tmp_path)
    first = await made.renew()
    assert await made.renew() == first, "nothing is near its end"
    activator = made.peers(ACTIVATOR_SECRET)
    async with autoscaler(live, made.peers(AUTOSCALER_SECRET)) as (port, secure):
        async with reporting(f"wss://127.0.0.1:{secure}", activator) as reports:
            await heard(port, reports, 1)
            assert await shown(secure, activator) == first
            second = await made.renew(AUTOSCALER_SECRET, ACTIVATOR_SECRET)
            assert second != first
            assert await shown(secure, activator) == second
            old = Mount(tmp_path / "old")
            old.update(await live.client.get(SECRETS, ACTIVATOR_SECRET, SYSTEM))
            third = await made.renew(AUTHORITY)
            assert await shown(secure, activator) == third
            assert await asked(secure, Peers(old.folder)) == "refused"
            await heard(port, reports, await counted(port, "received") + 1)
            assert reports.connections == 1, "the one that stood was not touched"
        async with reporting(f"wss://127.0.0.1:{secure}", activator) as reports:
            await heard(port, reports, await counted(port, "received") + 1)


async def test_nobody_else_may_report(live, tmp_path):
    made = Certificates(live, tmp_path)
    await made.renew()
    await live.client.create(NAMESPACES, {"metadata": {"name": GATEWAYS}})
    await xds_certificates.renew(live.client, tmp_path / "xds")
    gateway = Mount(tmp_path / "gateway")
    gateway.update(await live.client.get(SECRETS, xds_certificates.CLIENT, GATEWAYS))
    async with autoscaler(live, made.peers(AUTOSCALER_SECRET)) as (port, secure):
        assert await asked(secure, made.peers(ACTIVATOR_SECRET)) == "taken"
        assert await asked(secure, Peers(gateway.folder)) == 401, "of the same authority, and no activator"
        trusting = ssl.create_default_context(cafile=str(gateway.folder / "ca.crt"))
        async with aiohttp.ClientSession() as session:
            with pytest.raises((aiohttp.ClientError, OSError)):
                await session.ws_connect(
                    f"wss://127.0.0.1:{secure}/", ssl=trusting, server_hostname=AUTOSCALER
                )
            with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
                await session.ws_connect(f"ws://127.0.0.1:{port}/")
        assert await counted(port, "strangers") == 1


async def test_replicas_send_reports_on_and_ask_one_another_with_their_certificates(live, tmp_path):
    made = Certificates(live, tmp_path)
    await made.renew()
    await live.revision(replicas=0, name="hello-00001")
    mine = made.peers(AUTOSCALER_SECRET)
    async with autoscaler(live, mine, "one") as (first, _), aiohttp.ClientSession() as session:

        async def by(port, name):
            async with session.get(f"http://127.0.0.1:{port}/scale/default/hello-00001") as answer:
                return answer.status == 200 and (await answer.json())["by"].startswith(f"{name}_")

        await until(lambda: by(first, "one"))
        async with autoscaler(live, made.peers(AUTOSCALER_SECRET), "two") as (second, secure):
            await until(lambda: by(second, "one"))
            report = [Report("default", "hello-00001", Stat("activator", 1.0))]
            context = made.peers(ACTIVATOR_SECRET).client()
            async with session.ws_connect(
                f"wss://127.0.0.1:{secure}/", ssl=context, server_hostname=AUTOSCALER
            ) as socket:
                await socket.send_bytes(encode_reports(report))
                await until(lambda: counted(second, "forwarded"))
            assert await counted(first, "received") == 1


async def test_a_token_is_asked_for_where_there_is_one(live, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "other").write_text("guess\n")
    async with autoscaler(live, Peers(token=tmp_path / "token")) as (port, _):
        url = f"ws://127.0.0.1:{port}"
        async with reporting(url, Peers(token=tmp_path / "token")) as reports:
            await heard(port, reports, 1)
        for peers in (Peers(), Peers(token=tmp_path / "other")):
            before = await counted(port, "strangers")
            async with reporting(url, peers) as reports:
                await until(lambda before=before: more(port, before))
                assert not reports.connected
