"""What the pods of a node share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from knet.kube.client import Client
from knet.local.pods.events import Recorder
from knet.local.pods.handlers import Handlers
from knet.local.pods.launch import Launcher
from knet.local.pods.machine import Backoff
from knet.local.pods.spec import Object
from knet.local.pods.starts import Starts


@dataclass(frozen=True, slots=True)
class Kit:
    """`services` gives what may become environment variables of a pod; `mark` precedes a pod's uid in
    the variable by which its processes are found.
    """

    client: Client
    launcher: Launcher
    handlers: Handlers
    starts: Starts
    recorder: Recorder
    backoff: Backoff
    clock: Callable[[], float]
    node: str
    mark: str
    environment: Mapping[str, str]
    capacity: Mapping[str, int]
    services: Callable[[Object], tuple[Object, ...]]
    token: Callable[[Object, str, int], bytes]
