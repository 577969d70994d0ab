"""What the queue-proxy says of itself and how it ends: probes, drain, metrics, TLS; and what clients cannot steer."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from apps import Runtime, serve
from authority import make_authority
from knet.scaling.stat import decode
from ports import free_ports
from queue_proxy import Holding, get, queue_proxy, session

pytestmark = pytest.mark.envoy
KUBELET = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.31"}


@pytest.fixture
async def holding():
    made = Holding()
    async with serve(made):
        yield made
        made.release()


async def test_a_drain_loses_nothing_and_says_so_to_everybody(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path, quiet=0.3) as proxy, session() as client:
        held = [asyncio.create_task(get(client, proxy.url)) for _ in range(20)]
        await holding.has(20)
        hook = asyncio.create_task(get(client, f"{proxy.admin_url}/wait-for-drain"))
        proxy.stop()
        status, text = 200, ""
        async with asyncio.timeout(30):
            while status == 200:
                status, text = await get(client, f"{proxy.admin_url}/", **KUBELET)
        assert (status, text) == (503, "shutting down\n")
        assert (await get(client, proxy.url, **KUBELET))[0] == 503, "through Envoy too"
        late = asyncio.create_task(get(client, f"{proxy.url}/late"))
        await holding.has(21)
        assert not hook.done(), "requests are under way"
        holding.release()
        assert {s for s, _ in await asyncio.gather(*held, late)} == {200}
        assert (await asyncio.wait_for(hook, 30))[0] == 200


async def test_a_container_that_is_only_restarted_drains_nothing(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path) as proxy, session() as client:
        holding.release()
        assert (await get(client, f"{proxy.admin_url}/wait-for-drain"))[0] == 200
        assert (await get(client, proxy.url, **KUBELET)) == (200, "queue")
        assert (await get(client, proxy.url))[0] == 200


async def test_a_pod_ends_under_load_and_loses_nothing(tmp_path):
    """The gateway leaves it a while after its probe has failed, as gateways do."""
    runtime, over = Runtime("user"), asyncio.Event()
    answers: list[int] = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    async with serve(runtime), session() as client, queue_proxy(runtime.port, tmp_path / "new") as new:
        leads = []

        async def user():
            while not over.is_set():
                answers.append((await get(client, f"{leads[-1]}/?initial=0.02"))[0])

        async with queue_proxy(runtime.port, tmp_path / "old", quiet=0.5) as old:
            leads.append(old.url)
            users = [asyncio.create_task(user()) for _ in range(16)]
            while len(answers) < 100:
                assert (await get(client, old.url))[0] == 200
            old.stop()
            while (await get(client, f"{old.admin_url}/", **KUBELET))[0] == 200:
                pass
            since = len(answers)
            while len(answers) < since + 50:  # it still serves whoever comes
                assert (await get(client, old.url))[0] == 200
            leads.append(new.url)
        # it has drained and ended
        since = len(answers)
        while len(answers) < since + 50:
            assert (await get(client, new.url))[0] == 200
        over.set()
        await asyncio.gather(*users)
    assert set(answers) == {200}


async def test_the_autoscaler_is_told_the_average(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path) as proxy, session() as client:
        proxied = {"K-Proxy-Request": "activator"}
        held = [asyncio.create_task(get(client, proxy.url, **(proxied if n < 2 else {}))) for n in range(5)]
        await holding.has(5)
        async with asyncio.timeout(30):
            while True:
                async with client.get(proxy.metrics_url) as answer:
                    found = decode(await answer.read())
                if found.concurrency > 4.99:
                    break
        assert found.pod == "pod-1"
        assert found.concurrency == pytest.approx(5, abs=0.02)
        assert found.proxied_concurrency == pytest.approx(2, abs=0.02)
        _, text = await get(client, proxy.metrics_url, Accept="text/plain")
        assert "queue_average_concurrent_requests{" in text
        holding.release()
        await asyncio.gather(*held)


async def test_people_are_told_durations_depth_and_classes(holding, tmp_path):
    async with queue_proxy(holding.port, tmp_path, concurrency=1) as proxy, session() as client:
        url = f"http://127.0.0.1:{proxy.settings.user_metrics_port}/metrics"
        asking = [asyncio.create_task(get(client, proxy.url)) for _ in range(3)]
        await holding.has(1)
        await proxy.in_flight(3)
        _, text = await get(client, url)
        assert [
            line.split()[-1] for line in text.splitlines() if line.startswith("kn_serving_queue_depth")
        ] == ["3"]
        holding.release()
        await asyncio.gather(*asking)
        async with asyncio.timeout(30):  # Envoy adds its threads' histograms up once a second
            while "kn_serving_invocation_duration_seconds_count" not in text or not counted(text).endswith(
                " 3"
            ):
                _, text = await get(client, url)
        assert 'kn_revision_name="hello-00001",http_response_status_class="2xx"} 3' in text


def counted(text):
    return next(line for line in text.splitlines() if "duration_seconds_count" in line)


async def test_tls_on_its_own_port(tmp_path):
    runtime, made = Runtime("user"), make_authority(tmp_path)
    (port,) = free_ports(1)
    (certs := tmp_path / "certs").mkdir()
    (certs / "tls.crt").write_bytes(made.server_chain.read_bytes())
    (certs / "tls.key").write_bytes(made.server_key.read_bytes())
    context = ssl.create_default_context(cafile=str(made.root))
    (place := tmp_path / "q").mkdir()
    async with (
        serve(runtime),
        queue_proxy(runtime.port, place, certificate=str(certs), tls_port=port),
        aiohttp.ClientSession() as client,
        client.get(f"https://127.0.0.1:{port}/", ssl=context, server_hostname="localhost") as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["headers"]["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    "header",
    [
        {"X-Envoy-Upstream-Alt-Stat-Name": "kq.all.came.n"},
        {"X-Envoy-Retry-On": "5xx", "X-Envoy-Max-Retries": "5"},
        {"X-Envoy-Original-Dst-Host": "127.0.0.1:1"},
        {"X-Knet-Dest": "127.0.0.1:1"},
        {"X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms": "1"},
    ],
    ids=lambda header: next(iter(header)),
)
async def test_clients_steer_nothing(tmp_path, header):
    runtime = Runtime("user", fail_first=1)
    async with serve(runtime), queue_proxy(runtime.port, tmp_path) as proxy, session() as client:
        assert (await get(client, f"{proxy.url}/?initial=0.05", **header))[0] == 503
        assert (await get(client, f"{proxy.url}/?initial=0.05", **header))[0] == 200
        assert (await proxy.count()).came == 2
    assert len(runtime.seen) == 2
    assert not any(name.startswith("x-envoy-") for seen in runtime.seen for name in seen.headers)
