"""knet.dev/v1alpha1 Canary: how a Service's new revisions take over from the old one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from knet.errors import ObjectRef
from knet.model.meta import Model, ObjectMeta, as_json

GROUP = "knet.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Canary"

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Step(Model):
    """`pause` is a duration such as 10m, or `approval`; without one it is the Canary's interval."""

    weight: int
    pause: str = ""
    analysis: bool = True


class Header(Model):
    name: str
    value: str


class Errors(Model):
    """In percentage points: 0.1 lets 0.6 % of the canary's requests fail where 0.5 % of the stable ones do."""

    max_increase: float = 0.1
    enabled: bool = True


class Latency(Model):
    """In percent of the stable revision's."""

    max_increase: float = 10.0
    percentiles: tuple[float, ...] = (50.0, 90.0, 99.0)
    enabled: bool = True


class Prometheus(Model):
    """`url` of its API; the queries' templates have $namespace and $revision, and defaults by `mesh`."""

    url: str = ""
    mesh: Literal["istio", "istio-envoy", "contour", "envoy", ""] = ""
    requests: str = ""
    errors: str = ""
    latency: str = ""


class Analysis(Model):
    enabled: bool = True
    alpha: float = 0.01
    min_requests: int = 100
    window: str = "10s"
    deadline: str = "1h"
    errors: Errors = Errors()
    latency: Latency = Latency()
    prometheus: Prometheus = Prometheus()


class TimeWindow(Model):
    """`from` and `to` are times of day; without days it is every day."""

    days: tuple[Day, ...] = ()
    start: str = Field(default="00:00", alias="from")
    to: str = "24:00"
    timezone: str = "UTC"


class Hook(Model):
    name: str
    url: str
    when: Literal["before", "after"] = "before"
    weights: tuple[int, ...] = ()
    timeout: str = "10s"
    retries: int = 3
    on_failure: Literal["fail", "ignore"] = "fail"


class Notification(Model):
    url: str


class CanarySpec(Model):
    """`stableRevision` and `revision` choose the two; without them whoever has all traffic, and the newest.

    `follow`: every new revision of the Service begins a rollout.
    """

    service: str
    steps: tuple[Step, ...] = ()
    interval: str = "2m"
    stable_revision: str = ""
    revision: str = ""
    follow: bool = True
    tag: str = ""
    header: Header | None = None
    analysis: Analysis = Analysis()
    max_duration: str = ""
    on_failure: Literal["rollback", "hold"] = "rollback"
    windows: tuple[TimeWindow, ...] = ()
    hooks: tuple[Hook, ...] = ()
    notify: tuple[Notification, ...] = ()
    scale: bool = True


class Canary(Model):
    api_version: str = Field(default=API_VERSION)
    kind: str = Field(default=KIND)
    metadata: ObjectMeta = ObjectMeta()
    spec: CanarySpec
    status: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(KIND, self.metadata.namespace, self.metadata.name)


def parse(data: dict[str, Any]) -> Canary:
    """From plain data. Raises pydantic's ValidationError."""
    return Canary.model_validate_json(as_json(data))
