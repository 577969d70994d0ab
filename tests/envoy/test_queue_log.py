"""The request log: a line for each request on the container's stdout, by a Go template."""

from __future__ import annotations

import asyncio
import json

import pytest

from apps import Runtime, serve
from knet.model.config_observability import REQUEST_LOG_TEMPLATE
from queue_proxy import Holding, get, queue_proxy, session

pytestmark = pytest.mark.envoy
KUBELET = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.31"}


@pytest.fixture
async def runtime():
    made = Runtime("user")
    async with serve(made):
        yield made


async def lines(capfd, number):
    """The first lines that the log has, once there are so many."""
    text = ""
    async with asyncio.timeout(10):
        while text.count("\n") < number:
            await asyncio.sleep(0.02)
            text += capfd.readouterr().out
    return text.splitlines()


async def test_knatives_own_template(runtime, tmp_path, capfd):
    wanted = {"request_log": REQUEST_LOG_TEMPLATE, "pod_ip": "10.1.2.3"}
    async with queue_proxy(runtime.port, tmp_path, **wanted) as proxy, session() as client:
        trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        await get(
            client, f"{proxy.url}/a?b=c&initial=0.3", **trace, Referer="http://x/", **{"User-Agent": 'a "b"'}
        )
        async with client.post(proxy.url, data=b"12345", headers={"User-Agent": "c"}) as answer:
            size = len(await answer.read())
        found = [json.loads(line) for line in await lines(capfd, 2)]
    first, second = (told["httpRequest"] for told in found)
    assert found[0]["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    assert 0.3 < float(first.pop("latency").removesuffix("s")) < 2
    assert first.pop("remoteIp").startswith("127.0.0.1:")
    assert int(first.pop("responseSize")) > 100
    assert first == {
        "requestMethod": "GET",
        "requestUrl": "/a?b=c&initial=0.3",
        "requestSize": "0",
        "status": 200,
        "userAgent": 'a "b"',
        "serverIp": "10.1.2.3",
        "referer": "http://x/",
        "protocol": "HTTP/1.1",
    }
    assert (second["requestMethod"], second["requestSize"], second["responseSize"]) == (
        "POST",
        "5",
        str(size),
    )
    assert found[1]["traceId"] == ""


async def test_headers_addresses_and_what_is_refused(tmp_path, capfd):
    holding = Holding()
    template = '{{.Response.Code}} {{.Request.Host}} {{.Request.URL.Path}} {{.Request.Header.Get "x-one"}}'
    async with (
        serve(holding),
        queue_proxy(holding.port, tmp_path, request_log=template, concurrency=1, timeout=1) as proxy,
        session() as client,
    ):
        held = asyncio.create_task(
            get(client, f"{proxy.url}/held", **{"X-One": "1", "Host": "a.example.com"})
        )
        await holding.has(1)
        assert (await held)[0] == 504
        assert await lines(capfd, 1) == ["504 a.example.com /held 1"]
        gone = asyncio.create_task(get(client, f"{proxy.url}/gone", **{"Host": "b", "X-One": "ü"}))
        await proxy.in_flight(1)
        gone.cancel()
        assert await lines(capfd, 1) == ["502 b /gone ü"]
        holding.release()


@pytest.mark.parametrize(("path", "logged"), [(b"/x", ["/x"]), (b"/\xff", [])])
async def test_bytes_that_are_no_text(runtime, tmp_path, capfd, path, logged):
    """Whatever a client sends, a line is a line; what Envoy refuses is no request, and nobody logs it."""
    template = '{"path": "{{js .Request.RequestURI}}", "agent": "{{js .Request.UserAgent}}"}'
    async with queue_proxy(runtime.port, tmp_path, request_log=template) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.port)
        writer.write(b"GET " + path + b' HTTP/1.1\r\nHost: h\r\nUser-Agent: \xff\xfe"<\r\n\r\n')
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["path"] for one in told] == logged
    assert all(one["agent"] == 'ÿþ"<' for one in told)


@pytest.mark.parametrize("probes", [False, True])
async def test_probes_are_logged_if_asked_for(runtime, tmp_path, capfd, probes):
    wanted = {"request_log": "{{.Request.Method}} {{.Request.UserAgent}}", "log_probes": probes}
    async with queue_proxy(runtime.port, tmp_path, **wanted) as proxy, session() as client:
        assert (await get(client, proxy.url, **KUBELET))[0] == 200
        assert (await get(client, proxy.url, **{"User-Agent": "me"}))[0] == 200
        found = await lines(capfd, 2 if probes else 1)
    assert found == [*(["GET kube-probe/1.31"] if probes else []), "GET me"]


async def test_the_last_requests_are_logged_before_it_ends(runtime, tmp_path, capfd):
    async with (
        queue_proxy(runtime.port, tmp_path, request_log="{{.Request.RequestURI}}") as proxy,
        session() as client,
    ):
        await asyncio.gather(*(get(client, f"{proxy.url}/{n}") for n in range(500)))
    found = capfd.readouterr().out.split()
    assert sorted(found) == sorted(f"/{n}" for n in range(500))


async def test_a_template_that_is_none_costs_the_log_and_nothing_else(runtime, tmp_path, capfd):
    async with queue_proxy(runtime.port, tmp_path, request_log="{{.Request") as proxy, session() as client:
        assert (await get(client, proxy.url))[0] == 200
    said = capfd.readouterr()
    assert said.out == ""
    assert "there is no request log: its template: unclosed action" in said.err


async def test_a_template_that_does_not_fit_says_what_it_can(runtime, tmp_path, capfd):
    async with (
        queue_proxy(runtime.port, tmp_path, request_log="{{.Request.Bogus}}") as proxy,
        session() as client,
    ):
        await get(client, f"{proxy.url}/x")
        (found,) = await lines(capfd, 1)
    assert found.startswith("Invalid request log template: method: GET, response code: 200, latency: 0.")
    assert found.endswith(", url: /x")
