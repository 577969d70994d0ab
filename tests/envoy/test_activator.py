"""The activator against a real Envoy: held, released, limited, refused, unspoofable, told of."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

import aiohttp
import httpx
import pytest

from activator_live import HELLO, Command, Pod, activator_live, eventually
from apps import GRPC_METHOD, grpc_echo, serve, websocket_echo

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy")]


@pytest.fixture
async def live(tmp_path):
    async with activator_live(tmp_path / "a") as made:
        yield made


async def test_a_thousand_requests_at_zero_are_held_and_all_answered(live):
    pod = Pod("a")
    async with serve(pod):
        await live.revision()
        asking = [asyncio.create_task(live.get()) for _ in range(1000)]
        await live.held(1000)
        first = await live.told.until(lambda r: r.stat.requests > 0)
        assert (first.namespace, first.revision, first.stat.concurrency) == ("default", HELLO, 1)
        await live.told.until(lambda r: r.stat.concurrency > 900)
        await live.pods(other=[pod.port])
        answers = await asyncio.gather(*asking)
    assert Counter(status for status, _ in answers) == {200: 1000}
    await live.idle()
    assert len(pod.seen) == 1000
    assert {seen.headers.get("k-proxy-request") for seen in pod.seen} == {"activator"}
    assert {seen.headers["k-network-probe"] for seen in pod.probes} == {"queue"}
    said = await metrics(live)
    assert "knet_activator_held_total 1000\n" in said
    assert 'knet_cold_start_seconds_count{phase="total"} 1\n' in said


async def metrics(live):
    async with live.session.get(f"http://127.0.0.1:{live.settings.metrics}/metrics") as answer:
        return await answer.text()


async def test_a_pod_is_used_as_soon_as_it_answers_and_not_before(live):
    pod = Pod("a", ready=False)
    async with serve(pod):
        await live.revision()
        asking = asyncio.create_task(live.get())
        await live.pods(other=[pod.port])
        await eventually(lambda: len(pod.probes) > 3)
        assert pod.seen == []
        pod.ready = True
        assert (await asking)[0] == 200
        await live.pods(ready=[pod.port])
        pod.ready = False
        await live.pods(other=[pod.port])  # the API takes it back: only its own word counts
        before = len(pod.probes)
        asking = asyncio.create_task(live.get())
        await eventually(lambda: len(pod.probes) > before + 2)
        assert len(pod.seen) == 1
        pod.ready = True
        assert (await asking)[0] == 200


@pytest.mark.parametrize("limit", [1, 5])
async def test_the_limit_is_exact_and_the_order_kept(live, limit):
    pods = [Pod("a"), Pod("b")]
    async with serve(*pods):
        await live.revision(concurrency=limit)
        for pod in pods:
            pod.hold()
        await live.pods(ready=[pod.port for pod in pods])
        asking = []
        for n in range(limit * 2 + 10):
            asking.append(asyncio.create_task(live.get(f"/{n}")))
            await eventually(lambda n=n: live.gate().concurrency == n + 1)
        await live.held(10)
        await asyncio.gather(*(pod.has(limit) for pod in pods))
        for _ in range(10):
            pods[0].release(1)
            await live.idle() if not live.gate().waiting else None
            await pods[0].has(min(limit, 1))
        for pod in pods:
            pod.release()
        answers = await asyncio.gather(*asking)
        await live.idle()
    assert Counter(status for status, _ in answers) == {200: limit * 2 + 10}
    assert [pod.most for pod in pods] == [limit, limit]


async def test_waiting_requests_reach_one_place_in_the_order_in_which_they_came(live):
    pod = Pod("a")
    async with serve(pod):
        await live.revision(concurrency=1)
        asking = []
        for n in range(50):
            asking.append(asyncio.create_task(live.get(f"/{n}")))
            await live.held(n + 1)
        await live.pods(ready=[pod.port])
        await asyncio.gather(*asking)
    assert [seen.path for seen in pod.seen] == [f"/{n}" for n in range(50)]
    assert pod.most == 1


async def test_beyond_its_room_a_request_is_refused_in_clear_words(tmp_path):
    async with activator_live(tmp_path / "a", most_waiting=2) as live:
        pod = Pod("a")
        async with serve(pod):
            await live.revision()
            asking = [asyncio.create_task(live.get()) for _ in range(2)]
            await live.held(2)
            assert await live.get() == (503, "pending request queue full\n")
            await live.pods(ready=[pod.port])
            assert {status for status, _ in await asyncio.gather(*asking)} == {200}


async def test_beyond_its_time_a_request_is_refused_in_clear_words(live):
    await live.revision(patience=1)
    assert await live.get() == (504, "activator request timeout\n")
    await live.idle()


async def test_a_revision_that_is_unknown_or_unnamed_is_not_there(live):
    assert (await live.get(name="nobody"))[0] == 404
    async with live.session.get(live.url) as answer:
        assert answer.status == 404


async def test_who_gives_up_leaves_the_queue_and_its_place(live):
    pod = Pod("a")
    async with serve(pod):
        await live.revision(concurrency=1)
        gone = [asyncio.create_task(live.get("/gone")) for _ in range(5)]
        await live.held(5)
        stays = asyncio.create_task(live.get("/stays"))
        await live.held(6)
        for task in gone:
            task.cancel()
        await live.held(1)
        pod.hold()
        await live.pods(ready=[pod.port])
        await pod.has(1)
        running = asyncio.create_task(live.get("/second"))
        await live.held(1)
        pod.release()
        assert [(await stays)[0], (await running)[0]] == [200, 200]
        await live.idle()
    assert [seen.path for seen in pod.seen] == ["/stays", "/second"]


async def test_whoever_is_cut_off_at_a_pod_gives_its_place_back(live):
    pod = Pod("a")
    async with serve(pod):
        await live.revision(concurrency=1)
        pod.hold()
        await live.pods(ready=[pod.port])
        for _ in range(20):
            asking = asyncio.create_task(live.get("/cut"))
            await eventually(lambda: live.gate().running == 1)
            asking.cancel()
            await live.idle()
        pod.release()
        assert (await live.get())[0] == 200
        await live.idle()


@pytest.mark.parametrize(
    "name", ["x-knet-pod", "x-knet-dest", "x-knet-to", "x-envoy-original-dst-host", "x-knet-lease", "host"]
)
async def test_no_header_chooses_where_a_request_goes(live, name):
    wanted, other = Pod("wanted"), Pod("other")
    async with serve(wanted, other):
        await live.revision()
        await live.pods(ready=[wanted.port])
        target = f"127.0.0.1:{other.port}"
        both = {"x-knet-to": "h1", "x-knet-pod": target, "x-envoy-original-dst-host": target, name: target}
        status, text = await live.get(**{key.replace("-", "_"): value for key, value in both.items()})
        assert status == 200
        assert '"name": "wanted"' in text
        assert other.seen == []
        assert not any(key.startswith("x-knet-") for key in wanted.seen[0].headers)
        # nor for a revision that has nobody, or that is not there
        assert (await live.get(name="nobody", x_knet_to="h1", x_knet_pod=target))[0] == 404
        assert other.seen == []


async def test_a_pod_that_takes_no_connection_is_left_out_until_it_answers(live):
    there, dead = Pod("there"), Pod("dead")
    async with serve(dead):
        pass
    async with serve(there):
        await live.revision()
        await live.pods(ready=[there.port, dead.port])
        statuses = []
        for _ in range(20):
            async with live.session.get(live.url, headers=live.headers()) as answer:
                statuses.append((answer.status, answer.headers.get("x-knet-unsent")))
            await live.idle()
        assert Counter(statuses) == {(200, None): 19, (503, "1"): 1}
        assert list(live.gate().pods) == [f"127.0.0.1:{there.port}"]


async def test_http2_grpc_and_websockets_pass_held_and_warm(live):
    pod = Pod("a")
    async with serve(pod), grpc_echo("g") as grpc_port, websocket_echo("w") as ws_port:
        for name in ("h2", "grpc", "ws"):
            await live.revision(name)
        url = f"http://127.0.0.1:{live.settings.h2c}/x"
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
            asking = asyncio.create_task(client.get(url, headers=live.headers("h2")))
            await live.held(1, "h2")
            await live.pods(ready=[pod.port], name="h2", port="http2")
            assert (await asking).json()["proto"] == "HTTP/2.0"
            assert (await client.get(url, headers=live.headers("h2"))).json()["proto"] == "HTTP/2.0"
        await stream(live, grpc_port)
        connecting = asyncio.create_task(live.session.ws_connect(live.url, headers=live.headers("ws")))
        await live.held(1, "ws")
        await live.pods(ready=[ws_port], name="ws")
        async with await connecting as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "w:hello"
            assert live.gate("ws").running == 1
        await live.idle("ws")


async def stream(live, port):
    import grpc.aio

    async with grpc.aio.insecure_channel(f"127.0.0.1:{live.settings.h2c}") as channel:
        metadata = [(key.lower(), value) for key, value in live.headers("grpc").items()]
        for _ in range(2):
            call = channel.stream_stream(GRPC_METHOD)(metadata=metadata)
            await call.write(b"one")
            reading = asyncio.create_task(call.read())
            if not live.gate("grpc").pods:
                await live.held(1, "grpc")
                await live.pods(ready=[port], name="grpc", port="http2")
            assert await reading == b"g:one"
            await call.write(b"two")
            assert await call.read() == b"g:two"
            await call.done_writing()
            assert (await call.code()).name == "OK"
        await live.idle("grpc")


async def test_large_and_streamed_bodies_pass_held(live):
    got = []

    async def upload(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        total = 0
        if b"chunked" in head.lower():
            while size := int(await reader.readline(), 16):
                total += len(await reader.readexactly(size))
                await reader.readexactly(2)
        got.append(total)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BIG))
        writer.write(BIG)
        await writer.drain()
        writer.close()

    async def chunks():
        for _ in range(20):
            yield b"x" * 1_000_000

    server = await asyncio.start_server(upload, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await live.revision()

    async def post():
        async with live.session.post(live.url, data=chunks(), headers=live.headers()) as answer:
            return answer.status, await answer.read()

    asking = asyncio.create_task(post())
    await live.held(1)
    await live.pods(ready=[port])
    assert await asking == (200, BIG)
    assert got == [20_000_000]
    server.close()


BIG = b"y" * 10_000_000


async def test_demand_survives_a_restart_of_the_autoscaler(live):
    await live.revision()
    asking = asyncio.create_task(live.get())
    await live.told.until(lambda r: r.stat.concurrency == 1)
    await live.told.stop()
    await eventually(lambda: not live.activator.reports.connected)
    await eventually(lambda: live.activator.reports.failures)
    live.told.reports.clear()
    await live.told.start(int(live.settings.autoscaler.rpartition(":")[2]))
    again = await live.told.until(lambda r: r.revision == HELLO)
    assert again.stat.concurrency == 1
    pod = Pod("a")
    async with serve(pod):
        await live.pods(ready=[pod.port])
        assert (await asking)[0] == 200
        last = await live.told.until(lambda r: r.stat.concurrency == 0)
        assert last.revision == HELLO


async def test_two_activators_share_the_places(live):
    pods = [Pod(str(n)) for n in range(5)]
    async with serve(*pods):
        await live.revision(concurrency=4)
        await live.pods(ready=[pod.port for pod in pods])
        await eventually(lambda: len(live.gate().pods) == 5)
        own = ("127.0.0.1", live.settings.http1)
        await live.activators(own, ("127.0.0.9", 8012))
        await eventually(lambda: len(live.gate().pods) == 3)
        assert sorted(pod.limit for pod in live.gate().pods.values()) == [2, 4, 4]
        await live.activators(own)
        await eventually(lambda: len(live.gate().pods) == 5)


async def test_killed_and_started_again_it_loses_nothing(live, tmp_path, monkeypatch):
    """Held requests are asked about again, those at pods go on and keep their places."""
    monkeypatch.chdir(tmp_path)
    command = Command(live, tmp_path / "b")
    pod = Pod("a")
    async with serve(pod):
        await live.revision(concurrency=2)
        pod.hold()
        await live.pods(ready=[pod.port])
        await command.start()
        url = f"http://127.0.0.1:{command.http1}"

        async def get(path):
            async with live.session.get(url + path, headers=live.headers()) as answer:
                return answer.status

        running = [asyncio.create_task(get("/running")) for _ in range(2)]
        await pod.has(2)
        held = [asyncio.create_task(get("/held")) for _ in range(50)]
        waiting = f'knet_activator_waiting{{namespace="default",revision="{HELLO}"}} 50'
        await command.until(waiting)
        envoy = command.envoy()
        live.told.reports.clear()
        await command.kill()
        await command.start()
        assert command.envoy() == envoy
        assert await command.said("knet_activator_taken_up_total 2")
        await command.until(waiting)
        await live.told.until(lambda r: r.stat.concurrency >= 52)
        pod.release()
        assert Counter(await asyncio.gather(*running, *held)) == {200: 52}
        assert pod.most == 2
        await command.until(f'knet_activator_at_pods{{namespace="default",revision="{HELLO}"}} 0')
        await command.end()
        with pytest.raises(AssertionError, match="no Envoy"):
            command.envoy()


async def test_an_envoy_that_dies_is_started_again_and_what_it_lost_is_counted(live):
    pod = Pod("a")
    async with serve(pod):
        await live.revision(concurrency=2)
        pod.hold()
        await live.pods(ready=[pod.port])
        inside = [asyncio.create_task(live.get()) for _ in range(3)]
        await pod.has(2)
        await live.held(1)
        os.kill(live.activator.envoy.pid, 9)
        lost = await asyncio.gather(*inside, return_exceptions=True)
        assert all(isinstance(error, aiohttp.ClientError) for error in lost)
        await eventually(lambda: live.activator.counts.lost == 2)
        await live.idle()
        pod.release()
        await live.activator.envoy.ready()
        assert (await live.get())[0] == 200
