"""Images are commands here: which one a name stands for, in a file that people may edit.

The file maps a name, or a pattern such as `local/*`, to a command:

    local/*:
      command: [/home/me/bin/{}]      # {} is what * matched
    shop/cart:
      command: [python, cart.py]
      directory: /home/me/cart
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from knet.envoy.process_find import find_envoy
from knet.errors import KnetError
from knet.text import yaml

_SAMPLES = Path(__file__).parent / "samples"
_QUEUE_PROXIES = (
    "knet.dev/queue-proxy",
    "gcr.io/knative-releases/queue",
    "gcr.io/knative-releases/knative.dev/serving/cmd/queue*",
)
_DIGEST = re.compile(r"@[a-z0-9]+:[0-9a-f]+$")
_TAG = re.compile(r":[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")


@dataclass(frozen=True, slots=True)
class Command:
    """What an image runs, and where (empty: in the pod's own directory)."""

    command: tuple[str, ...]
    directory: str = ""


def samples() -> dict[str, Command]:
    """The images that knet brings along: Knative's own first example, and what stands beside it in a pod."""
    hello = Command((sys.executable, "-I", "-S", str(_SAMPLES / "hello.py")))
    names = (
        "hello",
        "knet.dev/hello",
        "ghcr.io/knative/helloworld-go",
        "gcr.io/knative-samples/helloworld-go",
    )
    # what stands in a pod's `args` may use what knet itself is installed with: grpcio, pydantic, orjson
    python = {"knet.dev/python": Command((sys.executable,))}
    return dict.fromkeys(names, hello) | python | dict.fromkeys(_QUEUE_PROXIES, queue_proxy())


@functools.cache
def queue_proxy() -> Command:
    """The queue-proxy that stands in for Knative's; started with what it need not look for itself.

    Gateways here hear of a pod's end within milliseconds, so a drain need not wait for long.
    """
    given = [f"{name}={value}" for name, value in queue_environment().items()]
    return Command(("env", *given, sys.executable, "-I", "-m", "knet.dataplane.queue"))


@functools.cache
def queue_environment() -> Mapping[str, str]:
    """What queue-proxies are told beside what their pods say."""
    given = {"KNET_QUIET_SECONDS": "1"}
    with contextlib.suppress(KnetError):  # without an Envoy its log is the place to say so
        given["ENVOY_BIN"] = str(find_envoy(os.environ))
    return given


class BadImages(ValueError):
    """The file of images, or a new line for it, cannot be read; the message names file and line."""


@dataclass(slots=True)
class Images:
    """The images of one state directory. Reads the file anew when it has changed."""

    path: Path
    _read: dict[str, Command] | None = None
    _stamp: tuple[int, int] = (0, 0)

    def find(self, image: str) -> Command | None:
        """The command of an image, by its whole name, without digest, without tag, then by pattern.

        What the file says comes before the samples. Raises BadImages.
        """
        return lookup(image, self.list()) or lookup(image, samples())

    def list(self) -> dict[str, Command]:
        """What the file says. Raises BadImages."""
        try:
            info = self.path.stat()
        except FileNotFoundError:
            return {}
        stamp = (info.st_mtime_ns, info.st_size)
        if self._read is None or stamp != self._stamp:
            self._read, self._stamp = parse(self.path.read_bytes(), str(self.path)), stamp
        return dict(self._read)

    def add(self, name: str, command: Sequence[str], directory: str = "") -> None:
        """Writes a line for `name`, in place of an earlier one. Raises BadImages."""
        if not name or not command:
            raise BadImages("an image needs a name and a command")
        self._write(self.list() | {name: Command(tuple(command), directory)})

    def remove(self, name: str) -> bool:
        """Takes a line away; whether there was one. Raises BadImages."""
        found = self.list()
        if name not in found:
            return False
        del found[name]
        self._write(found)
        return True

    def _write(self, images: Mapping[str, Command]) -> None:
        data = {
            name: {"command": list(one.command)} | ({"directory": one.directory} if one.directory else {})
            for name, one in sorted(images.items())
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text(yaml.dump(data) if data else "{}\n")
        draft.replace(self.path)


def parse(text: bytes, name: str) -> dict[str, Command]:
    """The file's content. A plain list stands for `command`. Raises BadImages."""
    try:
        documents = yaml.load_all(text)
    except yaml.YamlError as error:
        raise BadImages(f"{name}: {error}") from None
    data = documents[0].data if documents else {}
    if not isinstance(data, dict):
        raise BadImages(f"{name}: a mapping from image names to commands is expected")
    found = {}
    for image, said in data.items():
        one = said if isinstance(said, dict) else {"command": said}
        command = one.get("command")
        if not isinstance(command, list) or not command or not all(isinstance(w, str) for w in command):
            raise BadImages(f"{name}: {image}: command has to be a list of words")
        found[str(image)] = Command(tuple(command), str(one.get("directory") or ""))
    return found


def lookup(image: str, images: Mapping[str, Command]) -> Command | None:
    """The command for an image among `images`: pure. The longest matching pattern wins."""
    names = list(_names(image))
    for name in names:
        if name in images:
            return images[name]
    patterns = sorted((p for p in images if "*" in p), key=len, reverse=True)
    for pattern in patterns:
        for name in sorted(names, key=len):  # without tag and digest, if it fits so
            if (part := _matched(pattern, name)) is not None:
                one = images[pattern]
                return Command(tuple(w.replace("{}", part) for w in one.command), one.directory)
    return None


def _names(image: str) -> Iterator[str]:
    yield image
    bare = _DIGEST.sub("", image)
    short = bare.removeprefix("docker.io/").removeprefix("library/")
    yield from (bare, _TAG.sub("", bare), short, _TAG.sub("", short))


def _matched(pattern: str, name: str) -> str | None:
    found = re.fullmatch(fnmatch.translate(pattern).replace(".*", "(.*)", 1), name)
    return found[1] if found else None
