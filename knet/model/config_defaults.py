"""config-defaults: what a revision gets that does not say otherwise, and how much it may ask (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from knet.model.config_reading import Key, amount, boolean, integer, values
from knet.text.gotemplate import TemplateError, compile_template

NAME = "config-defaults"
_MAX_INT32 = 2**31 - 1
RESOURCES = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Defaults:
    """Seconds, requests at once, Go templates of names, quantities by resource.

    `enable_service_links` is None where Kubernetes is to decide.
    """

    revision_timeout: int = 300
    max_revision_timeout: int = 600
    response_start_timeout: int = 300
    idle_timeout: int = 0
    container_name_template: str = "user-container"
    init_container_name_template: str = "init-container"
    container_concurrency: int = 0
    container_concurrency_max_limit: int = 1000
    allow_container_concurrency_zero: bool = True
    enable_service_links: bool | None = False
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)

    def container_name(self, meta: Mapping[str, object]) -> str:
        """The name of an unnamed container of an object with this metadata (Go's names of fields)."""
        return _named(self.container_name_template, meta)

    def init_container_name(self, meta: Mapping[str, object]) -> str:
        return _named(self.init_container_name_template, meta)


def parse(data: Mapping[str, str]) -> Defaults:
    """The defaults that a ConfigMap's data gives. Raises ValueError with Knative's text."""
    found = values(data, _KEYS)
    amounts = values(data, _AMOUNTS)
    timeout = found.get("revision_timeout", Defaults().revision_timeout)
    made = replace(
        Defaults(response_start_timeout=timeout),
        **found,
        requests={r: amounts[f"{r}-request"] for r in RESOURCES if f"{r}-request" in amounts},
        limits={r: amounts[f"{r}-limit"] for r in RESOURCES if f"{r}-limit" in amounts},
    )
    if problem := next((words for bad, words in _rules(made) if bad), ""):
        raise ValueError(problem)
    for template in (made.container_name_template, made.init_container_name_template):
        try:
            compile_template(template)(metadata({}))
        except TemplateError as error:
            raise ValueError(f"error executing template: {error}") from None
    return made


def metadata(meta: Mapping[str, object]) -> Mapping[str, object]:
    """An object's metadata under the names that Go templates know it by."""
    return {
        "Name": meta.get("name", ""),
        "GenerateName": meta.get("generateName", ""),
        "Namespace": meta.get("namespace", ""),
        "UID": meta.get("uid", ""),
        "Labels": meta.get("labels") or {},
        "Annotations": meta.get("annotations") or {},
    }


def _named(template: str, meta: Mapping[str, object]) -> str:
    """A name, or "" where the template has none for this object, as upstream."""
    try:
        return compile_template(template)(metadata(meta))
    except TemplateError:
        return ""


def _template(text: str) -> str:
    try:
        compile_template(text)
    except TemplateError as error:
        raise ValueError(str(error)) from None
    return text


def _links(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


_KEYS = (
    Key("init-container-name-template", "init_container_name_template", _template),
    Key("container-name-template", "container_name_template", _template),
    Key("allow-container-concurrency-zero", "allow_container_concurrency_zero", boolean),
    Key("enable-service-links", "enable_service_links", _links),
    Key("revision-timeout-seconds", "revision_timeout", integer),
    Key("max-revision-timeout-seconds", "max_revision_timeout", integer),
    Key("revision-idle-timeout-seconds", "idle_timeout", integer),
    Key("container-concurrency", "container_concurrency", integer),
    Key("container-concurrency-max-limit", "container_concurrency_max_limit", integer),
    Key("revision-response-start-timeout-seconds", "response_start_timeout", integer),
)
_AMOUNTS = [
    Key(f"revision-{name}-{kind}", f"{name}-{kind}", amount)
    for kind in ("request", "limit")
    for name in RESOURCES
]


def _rules(d: Defaults) -> list[tuple[bool, str]]:
    """(broken, what is said) in the order in which Knative looks."""

    def more(key: str, value: int, than: str, most: int) -> str:
        return f"{key} ({value}) cannot be greater than {than} ({most})"

    timeout, most = "revision-timeout-seconds", d.container_concurrency_max_limit
    return [
        (
            d.revision_timeout > d.max_revision_timeout,
            more(timeout, d.revision_timeout, "max-revision-timeout-seconds", d.max_revision_timeout),
        ),
        (
            d.response_start_timeout > max(0, d.revision_timeout) and d.response_start_timeout > 0,
            more(
                "revision-response-start-timeout-seconds",
                d.response_start_timeout,
                timeout,
                d.revision_timeout,
            ),
        ),
        (
            d.idle_timeout > 0 and d.idle_timeout > d.revision_timeout,
            more("revision-idle-timeout-seconds", d.idle_timeout, timeout, d.revision_timeout),
        ),
        (most < 1, f"expected 1 <= {most} <= {_MAX_INT32}: container-concurrency-max-limit"),
        (
            not 0 <= d.container_concurrency <= most,
            f"expected 0 <= {d.container_concurrency} <= {most}: container-concurrency",
        ),
    ]
