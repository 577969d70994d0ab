"""Where pods live: each in a network namespace with an address of its own, or all on the host's ports.

A namespace is held by a `cat` that reads a pipe of ours. When knet ends, however that happens, the
pipe closes, `cat` ends, and with the pod's processes the kernel takes the namespace and its veth pair
away: nothing has to be cleaned up, and nothing has a name that could be left behind.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import ipaddress
import os
import random
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from knet.local.pods.lull import Lull
from knet.local.pods.process import Process, run, spawn
from knet.local.pods.status import Sandbox

_SECONDS = 10.0
_AHEAD = 2
_SIZE = 20
"""A node's prefix length: 4,093 pods."""
_FORWARDING = "/proc/sys/net/ipv4/conf/{}/forwarding"


class NetworkError(Exception):
    """A pod's place in the network could not be made; the message is that of the tool that failed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A pod's sandbox, and its namespace's file (none: the host's)."""

    sandbox: Sandbox
    namespace: str = ""


class Network(Protocol):
    """How pods get their places. One is shared by all pods of a node."""

    async def make(self, uid: str, ports: Sequence[int], kept: Mapping[int, int]) -> Place:
        """A place for a pod with these container ports; `kept` is what it had. Raises NetworkError."""

    async def remove(self, uid: str) -> None:
        """The pod is gone."""


@dataclass(slots=True)
class HostPorts:
    """Pods share the host's network; each of their ports gets a free one below the ephemeral range."""

    first: int = 20000
    last: int = 32000
    _taken: dict[str, dict[int, int]] = field(default_factory=dict)
    _next: int = 0

    async def make(self, uid: str, ports: Sequence[int], kept: Mapping[int, int]) -> Place:
        found = {port: self._keep(kept[port]) if port in kept else self._free() for port in ports}
        self._taken[uid] = found
        return Place(Sandbox("127.0.0.1", "127.0.0.1", found))

    async def remove(self, uid: str) -> None:
        self._taken.pop(uid, None)

    def _keep(self, port: int) -> int:
        return port if port not in self._used() and _free(port) else self._free()

    def _free(self) -> int:
        """The next port that nobody has. It is not held until the pod listens: another program may be
        quicker, and the pod then fails to listen and is started again.
        """
        used, span = self._used(), self.last - self.first + 1
        self._next = self._next or random.randrange(span)  # noqa: S311 - several knets on one machine
        for _ in range(span):
            self._next = self._next % span + 1
            port = self.first + self._next - 1
            if port not in used and _free(port):
                return port
        raise NetworkError(f"no free port between {self.first} and {self.last}")

    def _used(self) -> set[int]:
        return {port for ports in self._taken.values() for port in ports.values()}


@dataclass(frozen=True, slots=True)
class _Held:
    """A namespace: who holds it, until the pipe is closed, and the place in it."""

    holder: Process
    pipe: int
    place: Place


class Namespaces:
    """Pods have namespaces, joined to the host by a veth pair each; the host routes between them.

    `host_ip` is the host's address for pods, there from `start` on. Some namespaces are always made
    ahead, so that a pod that comes alone does not wait for one. The node's addresses are claimed by a
    socket, so that several knets on one machine keep apart.
    """

    def __init__(self, environment: Mapping[str, str], seed: str) -> None:
        """`environment` is that of the processes that hold namespaces; it carries the reaper's mark."""
        self._environment = environment
        self._claim, self._subnet = _claimed(seed)
        self._hosts = self._subnet.hosts()
        self.host_ip = str(next(self._hosts))
        self._free: collections.deque[str] = collections.deque()
        self._held: dict[str, _Held] = {}
        self._ahead: collections.deque[asyncio.Task[_Held]] = collections.deque()
        self.lull = Lull(self._fill)
        self.on_ahead: Callable[[Place], None] | None = None
        """Hears of every place that is made before its pod."""

    async def start(self) -> None:
        """Makes the node's own end, which keeps `host_ip` alive. Raises NetworkError if this cannot be."""
        await self.make("", (), {})

    async def stop(self) -> None:
        """Lets all namespaces go."""
        self.lull.end()
        for number, building in enumerate(self._ahead):
            with contextlib.suppress(NetworkError):
                self._held[f" ahead {number}"] = await building
        await asyncio.gather(*(self.remove(uid) for uid in list(self._held)))
        self._claim.close()

    async def make(self, uid: str, ports: Sequence[int], kept: Mapping[int, int]) -> Place:
        del ports, kept  # every pod has all ports to itself
        ready = self._ahead.popleft() if self._ahead else asyncio.create_task(self._build())
        self.lull.later()
        self._held[uid] = held = await ready
        return held.place

    def _fill(self) -> None:
        while len(self._ahead) < _AHEAD:
            self._ahead.append(asyncio.create_task(self._build()))
            self._ahead[-1].add_done_callback(self._built)

    def _built(self, done: asyncio.Task[_Held]) -> None:
        """A namespace is there before its pod. What went wrong is told by `make`."""
        if not done.cancelled() and not done.exception() and self.on_ahead is not None:
            self.on_ahead(done.result().place)

    async def remove(self, uid: str) -> None:
        if uid in self._held:
            await self._release(self._held.pop(uid))

    async def _build(self) -> _Held:
        # the kernel takes a namespace away some time after its last process: used addresses come last
        ip = str(next(self._hosts, "")) or (self._free.popleft() if self._free else "")
        if not ip:
            raise NetworkError(f"all addresses of {self._subnet} are taken")
        holder, pipe = await self._hold()
        namespace = f"/proc/{holder.pid}/ns/net"
        held = _Held(holder, pipe, Place(Sandbox(ip, self.host_ip, {}), namespace))
        device = f"knet{secrets.token_hex(4)}"
        try:
            await self._ip("", _outside(device, holder.pid, self.host_ip, ip))
            await self._ip(namespace, _inside(self.host_ip, ip))
        except BaseException:
            await self._release(held)
            raise
        _forward(device)
        return held

    async def _release(self, held: _Held) -> None:
        os.close(held.pipe)
        await held.holder.wait()
        self._free.append(held.place.sandbox.ip)

    async def _hold(self) -> tuple[Process, int]:
        """A process in a new namespace, once it is there: it echoes what it is sent."""
        there: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def hear(_: str, data: bytes) -> None:
            if not there.done():
                there.set_result(data)

        read, write = os.pipe()
        try:
            holder = spawn(("unshare", "--net", "cat"), hear, env=self._environment, stdin=read)
        except OSError as error:
            os.close(write)
            raise NetworkError(f"unshare: {error.strerror}") from None
        finally:
            os.close(read)
        try:
            os.write(write, b".")
            if await there != b".":
                raise NetworkError(there.result().decode(errors="replace").strip() or "unshare failed")
        except BaseException:
            os.close(write)
            raise
        return holder, write

    async def _ip(self, namespace: str, batch: str) -> None:
        try:
            done = await run(
                ("ip", "-batch", "-"),
                env=self._environment,
                seconds=_SECONDS,
                text=batch,
                namespace=namespace,
            )
        except (OSError, TimeoutError) as error:
            raise NetworkError(f"ip: {error}") from None
        if done.code:
            raise NetworkError(f"ip: {done.text.strip()}")


def _outside(device: str, holder: int, host: str, pod: str) -> str:
    return (
        f"link add {device} type veth peer name eth0 netns {holder}\n"
        f"addr add {host}/32 dev {device}\n"
        f"link set {device} up\n"
        f"route replace {pod}/32 dev {device} src {host}\n"
    )


def _inside(host: str, pod: str) -> str:
    return (
        "link set lo up\n"
        f"addr add {pod}/32 dev eth0\n"
        "link set eth0 up\n"
        f"route add {host} dev eth0\n"
        f"route add default via {host}\n"
    )


def _forward(device: str) -> None:
    """Lets pods reach one another through the host. Where that is not allowed they reach the host only."""
    with contextlib.suppress(OSError):
        Path(_FORWARDING.format(device)).write_text("1")


def _claimed(seed: str) -> tuple[socket.socket, ipaddress.IPv4Network]:
    """A subnet that no other knet has and nothing routes to. Raises NetworkError."""
    routed = list(_routed())
    for subnet in candidates(seed):
        if any(subnet.overlaps(other) for other in routed):
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0knet-pods-{subnet}")  # the kernel's own list of names: ends with us
        except OSError:
            claim.close()
            continue
        return claim, subnet
    raise NetworkError("no part of 10.128.0.0/9 is free for pods")


def candidates(seed: str) -> Iterator[ipaddress.IPv4Network]:
    """The subnets that a node may take, in an order of its own."""
    every = list(ipaddress.IPv4Network("10.128.0.0/9").subnets(new_prefix=_SIZE))
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) % len(every)
    yield from every[start:]
    yield from every[:start]


def _routed() -> Iterator[ipaddress.IPv4Network]:
    """What the host's routing table knows, beside its default route."""
    table = Path("/proc/net/route")
    if not table.exists():
        return
    for line in table.read_text().splitlines()[1:]:
        words = line.split()
        to, mask = (int.from_bytes(bytes.fromhex(words[i]), "little") for i in (1, 7))
        if mask:
            yield ipaddress.IPv4Network((to, mask.bit_count()), strict=False)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
