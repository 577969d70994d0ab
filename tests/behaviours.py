"""The 25 behaviours of Knative's ingress conformance suite, against any live gateway.

The names are upstream's (shared/facts/knative.md B.1); what each asserts is in the table there. The
requests and the backends are ours. A gateway is whatever has the methods of `Live`.
"""

from __future__ import annotations

import asyncio
import collections
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import apps
from knet.model import kingress
from objects import LOCAL, external_name, ingress, path, rule, secret, service, split, tls

HOST = "name.example.com"
LOCAL_NAMES = ["name.default", "name.default.svc", "name.default.svc.cluster.local"]
ENOUGH = 100
"""In so many tries every share of a split has been seen, or the test fails (as upstream's do)."""


@dataclass(frozen=True)
class Answer:
    """What came back: status, lower-case headers, and the JSON of a `Runtime` (or {})."""

    status: int
    headers: Mapping[str, str]
    json: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.json.get("name", ""))

    @property
    def seen(self) -> dict[str, str]:
        headers: dict[str, str] = self.json["headers"]
        return headers


class Live(Protocol):
    """A gateway under test: objects go in, requests go through.

    `any_case`: whether hosts are found in upper case too, as RFC 9110 has it; upstream's suite does not ask.
    """

    any_case: bool

    async def apply(self, *objects: dict[str, Any], ready: bool = True) -> None:
        """Adds or replaces objects; with `ready`, waits until the gateway says they are served."""

    async def delete(self, *objects: dict[str, Any]) -> None: ...

    async def ready_hash(self, name: str) -> str:
        """Waits until the KIngress is ready at its present version; the probe hash that was confirmed."""

    async def get(
        self,
        host: str,
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        inside: bool = False,
        https: bool = False,
    ) -> Answer:
        """One request through the outer (or the inner) gateway."""

    def address(self, *, inside: bool = False) -> tuple[str, int]:
        """Where plain HTTP is served."""

    def websocket(self, host: str) -> AbstractAsyncContextManager[Any]: ...

    def grpc_stream(self, authority: str) -> AbstractAsyncContextManager[Any]: ...

    async def snapshot_of(self, name: str) -> Any:
        """What is kept about a KIngress that is not ours: anything that would show that it was touched."""


Behaviour = Callable[[Any], Awaitable[None]]
CONFORMANCE: dict[str, Behaviour] = {}


def behaviour(name: str) -> Callable[[Behaviour], Behaviour]:
    """Enters a function under upstream's name."""

    def add(function: Behaviour) -> Behaviour:
        CONFORMANCE[name] = function
        return function

    return add


async def runtimes(stack: AsyncExitStack, live: Live, *names: str, **kind: str) -> list[apps.Runtime]:
    """Backends with their Services in place. `kind` may hold port_name and app_protocol."""
    made = [apps.Runtime(name) for name in names]
    await stack.enter_async_context(apps.serve(*made))
    await live.apply(*(o for b in made for o in service(b.name, b.port, **kind)), ready=False)
    return made


async def shares(
    live: Live, host: str, target: str = "/", *, count: int = 1000, inside: bool = False
) -> collections.Counter[str]:
    """How many of `count` requests each backend took; eight at a time."""
    seen: collections.Counter[str] = collections.Counter()

    async def worker(amount: int) -> None:
        for _ in range(amount):
            answer = await live.get(host, target, inside=inside)
            assert answer.status == 200
            seen[answer.name] += 1

    await asyncio.gather(*(worker(count // 8) for _ in range(8)))
    return seen


def fits(seen: collections.Counter[str], weights: Mapping[str, int]) -> None:
    """Chi-square against the weights at p = 1e-6; a share of 0 is exactly 0."""
    total, whole = sum(seen.values()), sum(weights.values())
    assert all(weights.get(name) for name in seen), f"{seen} has shares that should be 0"
    used = {name: weight for name, weight in weights.items() if weight}
    statistic = sum((seen[n] - total * w / whole) ** 2 / (total * w / whole) for n, w in used.items())
    degrees = len(used) - 1
    # Wilson–Hilferty: the chi-square quantile at 1 - 1e-6 from the normal one (4.7534)
    limit = degrees * (1 - 2 / (9 * degrees) + 4.7534 * math.sqrt(2 / (9 * degrees))) ** 3 if degrees else 0
    assert statistic <= limit or not degrees, f"{dict(seen)} does not fit {dict(weights)}"


async def see_all(ask: Callable[[], Awaitable[str]], names: set[str]) -> None:
    """Every one of `names` answers within `ENOUGH` tries."""
    missing = set(names)
    for _ in range(ENOUGH):
        missing.discard(await ask())
        if not missing:
            return
    raise AssertionError(f"never seen in {ENOUGH} tries: {missing}")


@behaviour("basics")
async def basics(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(ingress("basics", rule([HOST], path(split("a")))))
        answer = await live.get(HOST)
        assert (answer.status, answer.name) == (200, "a")


@behaviour("basics/http2")
async def http2(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "named", port_name="http2")
        await runtimes(stack, live, "hinted", port_name="http", app_protocol="kubernetes.io/h2c")
        await live.apply(
            ingress(
                "http2",
                rule(["named.example.com"], path(split("named"))),
                rule(["hinted.example.com"], path(split("hinted"))),
            )
        )
        for name in ("named", "hinted"):
            answer = await live.get(f"{name}.example.com")
            assert (answer.status, answer.json["proto"]) == (200, "HTTP/2.0")


@behaviour("grpc")
async def grpc(live: Live) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(apps.grpc_echo("a"))
        await live.apply(*service("a", port, port_name="h2c"), ready=False)
        await live.apply(ingress("grpc", rule([HOST], path(split("a")))))
        async with live.grpc_stream(f"{HOST}:80") as stream:
            for i in range(100):
                await stream.write(f"{i}".encode())
                assert await stream.read() == f"a:{i}".encode()


@behaviour("grpc/split")
async def grpc_split(live: Live) -> None:
    async with AsyncExitStack() as stack:
        for name in ("a", "b"):
            port = await stack.enter_async_context(apps.grpc_echo(name))
            await live.apply(*service(name, port, port_name="h2c"), ready=False)
        await live.apply(ingress("grpc", rule([HOST], path(split("a", 50), split("b", 50)))))

        async def ask() -> str:
            async with live.grpc_stream(f"{HOST}:80") as stream:
                names = set()
                for _ in range(10):
                    await stream.write(b"x")
                    names.add((await stream.read()).partition(b":")[0].decode())
            assert len(names) == 1, "a stream stays with its backend"
            return str(names.pop())

        await see_all(ask, {"a", "b"})


@behaviour("headers/pre-split")
async def pre_split(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(ingress("pre", rule([HOST], path(split("a"), appendHeaders={"X-Set": "mine"}))))
        for sent in ({}, {"X-Set": "bogus"}):
            assert (await live.get(HOST, headers=sent)).seen["x-set"] == "mine"


@behaviour("headers/post-split")
async def post_split(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a", "b", "c", "d")
        await live.apply(ingress("post", rule([HOST], path(*(split(n, 25, {"X-Who": n}) for n in "abcd")))))
        for sent in ({}, {"X-Who": "bogus"}):

            async def ask(sent: dict[str, str] = sent) -> str:
                answer = await live.get(HOST, headers=sent)
                assert answer.seen["x-who"] == answer.name
                return answer.name

            await see_all(ask, set("abcd"))


@behaviour("headers/probe")
async def probe(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        made = ingress("probe", rule([HOST], path(split("a"))))
        await live.apply(made)
        wanted = kingress.parse(made).defaulted().hash
        for sent, back in (("override", wanted), ("other", "other")):
            answer = await live.get(HOST, headers={"K-Network-Probe": "probe", "K-Network-Hash": sent})
            assert (answer.status, answer.seen["k-network-hash"]) == (200, back)
        assert await live.ready_hash("probe") == wanted


@behaviour("hosts/multiple")
async def hosts(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        names = [HOST, "www.example.com", "foo.example.org", "x.y.example.com"]
        await live.apply(ingress("hosts", rule(names, path(split("a")))))
        for name in (*names, f"{HOST}:80"):
            assert (await live.get(name)).status == 200
        assert (await live.get(HOST.upper())).status == (200 if live.any_case else 404)
        assert (await live.get("unknown.example.com")).status == 404


PREFIXES = {"/foo": "foo", "/bar": "bar", "/baz": "baz", "": "default"}
TARGETS = {"/foo": "foo", "/foo/x": "foo", "/bar": "bar", "/baz": "baz", "/": "default", "/asdf": "default"}


def by_path() -> list[dict[str, Any]]:
    return [path(split(name), prefix=prefix) for prefix, name in PREFIXES.items()]


@behaviour("dispatch/path")
async def dispatch_path(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, *PREFIXES.values())
        await live.apply(ingress("paths", rule([HOST], *by_path())))
        for target, name in TARGETS.items():
            assert (await live.get(HOST, target)).name == name


WEIGHTS = {"a": 1, "b": 2, "c": 4, "d": 8, "e": 16, "f": 32, "g": 37, "h": 0, "i": 0, "j": 0}


@behaviour("dispatch/percentage")
async def percentage(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, *WEIGHTS)
        await live.apply(ingress("weights", rule([HOST], path(*(split(n, w) for n, w in WEIGHTS.items())))))
        fits(await shares(live, HOST), WEIGHTS)


@behaviour("dispatch/path_and_percentage")
async def path_and_percentage(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a", "b", "c")
        halves = path(split("a", 50), split("b", 50), prefix="/foo")
        await live.apply(ingress("both", rule([HOST], halves, path(split("c")))))
        fits(await shares(live, HOST, "/foo"), {"a": 50, "b": 50})
        assert (await live.get(HOST)).name == "c"


@behaviour("dispatch/rule")
async def dispatch_rule(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a", "b")
        await live.apply(
            ingress(
                "rules", rule(["a.example.com"], path(split("a"))), rule(["b.example.com"], path(split("b")))
            )
        )
        for name in "ab":
            assert (await live.get(f"{name}.example.com")).name == name


@behaviour("retry")
async def retry(live: Live) -> None:
    async with AsyncExitStack() as stack:
        (backend,) = await runtimes(stack, live, "a", port_name="http2")
        await live.apply(ingress("retry", rule([HOST], path(split("a")))))
        before = len(backend.seen)
        backend.fail_first = before + 1
        assert [(await live.get(HOST)).status for _ in range(2)] == [503, 200]
        assert len(backend.seen) == before + 2


@behaviour("timeout")
async def timeout(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(ingress("timeout", rule([HOST], path(split("a")))))
        answers = await asyncio.gather(
            *(live.get(HOST, f"/?{query}") for query in ("initial=0", "initial=10", "body=10"))
        )
        assert [a.status for a in answers] == [200, 200, 200]


@behaviour("tls")
async def with_tls(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(secret("cert", HOST), ready=False)
        await live.apply(ingress("tls", rule([HOST], path(split("a"))), tls=[tls("cert", HOST)]))
        for https in (False, True):
            assert (await live.get(HOST, https=https)).status == 200


@behaviour("update")
async def update(live: Live) -> None:
    """Twenty updates, half of them to another backend, under a prober that must never see a failure."""
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "first")

        def version(backend: str, i: int) -> dict[str, Any]:
            return ingress("update", rule([HOST], path(split(backend), appendHeaders={"X-Version": str(i)})))

        await live.apply(version("first", 0))
        stop = asyncio.Event()
        failures: list[Any] = []
        asked = 0

        async def prober() -> None:
            nonlocal asked
            while not stop.is_set():
                answer = await live.get(HOST)
                asked += 1
                if answer.status != 200:
                    failures.append(answer)

        async with asyncio.TaskGroup() as group:
            group.create_task(prober())
            previous: list[AsyncExitStack] = []
            current = "first"
            for i in range(1, 21):
                if i % 2:
                    inner = AsyncExitStack()
                    await runtimes(inner, live, f"backend-{i}")
                    previous.append(inner)
                    current = f"backend-{i}"
                await live.apply(version(current, i))
                answer = await live.get(HOST)
                assert (answer.name, answer.seen["x-version"]) == (current, str(i))
                if len(previous) > 1:
                    await previous.pop(0).aclose()
            stop.set()
        for inner in previous:
            await inner.aclose()
        assert asked > 20
        assert not failures, failures[:3]


def visible_inside(*paths: dict[str, Any]) -> dict[str, Any]:
    return ingress("local", rule(LOCAL_NAMES, *paths, visibility=LOCAL))


@behaviour("visibility")
async def visibility(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(visible_inside(path(split("a"))))
        for name in LOCAL_NAMES:
            assert (await live.get(name)).status == 404
            spoof = await live.get(name, headers={"x-knet-scope": "int"})
            assert spoof.status == 404, "a header must not let a request in"
            assert (await live.get(name, inside=True)).name == "a"


@behaviour("visibility/split")
async def visibility_split(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, *WEIGHTS)
        await live.apply(visible_inside(path(*(split(n, w) for n, w in WEIGHTS.items()))))
        fits(await shares(live, LOCAL_NAMES[0], inside=True), WEIGHTS)


@behaviour("visibility/path")
async def visibility_path(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, *PREFIXES.values())
        await live.apply(visible_inside(*by_path()))
        for target, name in TARGETS.items():
            assert (await live.get(LOCAL_NAMES[0], target, inside=True)).name == name
            assert (await live.get(LOCAL_NAMES[0], target)).status == 404


@behaviour("ingressclass")
async def ingress_class(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        for i, value in enumerate((None, "incorrect", "")):
            made = ingress(f"class-{i}", rule([f"class-{i}.example.com"], path(split("a"))))
            notes = made["metadata"]["annotations"]
            notes.clear()
            if value is not None:
                notes[kingress.LEGACY_CLASS_ANNOTATION] = value
            await live.apply(made, ready=False)
            before = await live.snapshot_of(f"class-{i}")
            # something of ours after it, so that the gateway has certainly looked at it
            await live.apply(ingress("ours", rule(["ours.example.com"], path(split("a"), prefix=f"/{i}"))))
            assert await live.snapshot_of(f"class-{i}") == before
            assert (await live.get(f"class-{i}.example.com")).status == 404


@behaviour("websocket")
async def websocket(live: Live) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(apps.websocket_echo("a"))
        await live.apply(*service("a", port), ready=False)
        await live.apply(ingress("ws", rule([HOST], path(split("a")))))
        async with live.websocket(HOST) as connection:
            for i in range(100):
                await connection.send(f"{i}")
                assert await connection.recv() == f"a:{i}"


@behaviour("websocket/split")
async def websocket_split(live: Live) -> None:
    async with AsyncExitStack() as stack:
        for name in "ab":
            port = await stack.enter_async_context(apps.websocket_echo(name))
            await live.apply(*service(name, port), ready=False)
        await live.apply(ingress("ws", rule([HOST], path(split("a", 50), split("b", 50)))))

        async def ask() -> str:
            names = set()
            async with live.websocket(HOST) as connection:
                for _ in range(10):
                    await connection.send("x")
                    names.add(str(await connection.recv()).partition(":")[0])
            assert len(names) == 1
            return names.pop()

        await see_all(ask, {"a", "b"})


@behaviour("host-rewrite")
async def host_rewrite(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a")
        await live.apply(visible_inside(path(split("a"))))
        _, port = live.address(inside=True)
        await live.apply(external_name("gateway", "localhost", port), ready=False)
        vanity = [f"vanity.{d}.example.com" for d in ("ismy", "isalsomy")]
        to_local = path(split("gateway", port=port), rewriteHost=LOCAL_NAMES[0])
        await live.apply(ingress("rewrite", rule(vanity, to_local)))
        for name in vanity:
            answer = await live.get(name)
            assert (answer.status, answer.name) == (200, "a")


@behaviour("headers/tags")
async def tags(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "tagged", "default")
        match = {"Knative-Serving-Tag": {"exact": "the-tag"}}
        await live.apply(
            ingress("tags", rule([HOST], path(split("tagged"), headers=match), path(split("default"))))
        )
        for value, name in (("the-tag", "tagged"), (None, "default"), ("", "default"), ("other", "default")):
            sent = {} if value is None else {"Knative-Serving-Tag": value}
            assert (await live.get(HOST, headers=sent)).name == name


@behaviour("httpoption")
async def http_option(live: Live) -> None:
    async with AsyncExitStack() as stack:
        await runtimes(stack, live, "a", "b")
        plain, redirected = "plain.example.com", "redirected.example.com"
        await live.apply(secret("plain", plain), secret("redirected", redirected), ready=False)
        await live.apply(ingress("plain", rule([plain], path(split("a"))), tls=[tls("plain", plain)]))
        await live.apply(
            ingress(
                "redirected",
                rule([redirected], path(split("b"))),
                tls=[tls("redirected", redirected)],
                httpOption="Redirected",
            )
        )
        assert (await live.get(plain)).name == "a"
        answer = await live.get(redirected, "/x")
        assert (answer.status, answer.headers["location"]) == (301, f"https://{redirected}/x")
        for host, name in ((plain, "a"), (redirected, "b")):
            assert (await live.get(host, https=True)).name == name
