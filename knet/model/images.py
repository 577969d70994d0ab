"""Names of container images, as registries and Knative's webhook read them (facts/serving.md 50)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_TAG = re.compile(r"[A-Za-z0-9_.-]{0,128}\Z")
"""Knative asks no more of a tag, and takes an empty one for none."""
_REPOSITORY = re.compile(r"[a-z0-9_\-./]{2,255}\Z")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9.\-_~]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?\Z")
_PORT = re.compile(r":\d+\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def is_reference(text: str) -> bool:
    """Whether it names an image: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, tags and registries being optional."""
    name, at, digest = text.partition("@")
    if at:
        if not _DIGEST.match(digest):
            return False
        head, colon, tag = name.rpartition(":")
        return _named(head if colon and "/" not in tag else name)
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return bool(_TAG.match(tag)) and _named(head)
    return _named(name)


def _named(name: str) -> bool:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return bool(_REGISTRY.match(first) and _REPOSITORY.match(rest))
    return bool(_REPOSITORY.match(name))


DOCKER_HUB = "index.docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """An image by its parts. `digest` is empty, or says more than the tag does."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @property
    def local(self) -> bool:
        """Whether only this machine or cluster knows the registry: by name or address, not by looking it up."""
        host = _PORT.sub("", self.registry).strip("[]")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "." not in host or host.endswith((".local", ".localhost", ".internal", ".svc", ".test"))
        return address.is_loopback or address.is_private or address.is_link_local


def parse(text: str) -> Reference | None:
    """The parts of an image's name; None if it is none. Docker Hub is what names without a registry mean."""
    if not is_reference(text):
        return None
    name, _, digest = text.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    tag = tag or "latest"
    first, slash, rest = head.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, head
    if registry in ("docker.io", DOCKER_HUB):
        registry = DOCKER_HUB
        repository = repository if "/" in repository else f"library/{repository}"
    return Reference(registry, repository, tag, digest)
