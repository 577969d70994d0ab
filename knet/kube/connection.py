"""Where an API is and how to be let in: credentials through `kubernetes.aio.config`, imported when asked."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from knet.text import yaml

Headers = Callable[[], Awaitable[Mapping[str, str]]]


async def _nothing() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Connection:
    """`headers` gives what authenticates a request, anew each time, for tokens run out.

    `namespace` is where objects without one go.
    """

    url: str
    headers: Headers = field(default=_nothing, repr=False)
    ssl: ssl.SSLContext | None = field(default=None, repr=False)
    namespace: str = "default"


def with_token(url: str, token: str, authority: Path | None = None) -> Connection:
    """An API that takes one bearer token for ever, as the embedded one does.

    `authority` is a PEM file with the certificate that signs the API's; None for plain HTTP.
    """
    held = {"authorization": f"Bearer {token}"}

    async def headers() -> Mapping[str, str]:
        return held

    trusted = ssl.create_default_context(cafile=str(authority)) if authority else None
    return Connection(url, headers, trusted)


def plain(path: Path) -> Connection | None:
    """What a kubeconfig says, if that is one token and an authority, both in the file: as the embedded API's is.

    Anything else is None, for `from_kubeconfig`, whose library takes a second to import.
    """
    try:
        said = yaml.load_all(path.read_bytes())[0].data
        context = _named(said, "contexts", said["current-context"])["context"]
        cluster = _named(said, "clusters", context["cluster"])["cluster"]
        user = _named(said, "users", context["user"])["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        if set(user) != {"token"} or set(cluster) != {"server", "certificate-authority-data"}:
            return None
        made = with_token(cluster["server"], user["token"])
        trusted = ssl.create_default_context(cadata=authority)
        return replace(made, ssl=trusted, namespace=context.get("namespace") or "default")
    except (OSError, LookupError, TypeError, ValueError, AttributeError):
        return None  # whoever reads it in general says what is wrong


def _named(said: Any, kind: str, name: str) -> Any:
    return next((one for one in said[kind] if one["name"] == name), {})


async def from_kubeconfig(path: Path | None = None, context: str | None = None) -> Connection:
    """What a kubeconfig says (by default `KUBECONFIG`, else `~/.kube/config`), exec and OIDC included.

    Raises `kubernetes.aio.config.ConfigException` if it says nothing usable.
    """
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config.kube_config import load_kube_config

    configuration = Configuration()
    loader = await load_kube_config(
        config_file=str(path) if path else None, context=context, client_configuration=configuration
    )
    chosen = loader.current_context.get("context", {}) if loader.current_context else {}
    return _connection(configuration, str(chosen.get("namespace") or "default"))


def in_cluster() -> Connection:
    """The service account of the pod that this process runs in; its token is read anew when it changes.

    Raises `kubernetes.aio.config.ConfigException` outside of a pod.
    """
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config.incluster_config import load_incluster_config

    configuration = Configuration()
    load_incluster_config(client_configuration=configuration)
    own = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return _connection(configuration, own.read_text().strip() if own.exists() else "default")


def _connection(configuration: Any, namespace: str) -> Connection:
    async def headers() -> Mapping[str, str]:
        settings = await configuration.auth_settings()
        token = settings.get("BearerToken", {}).get("value")
        return {"authorization": token} if token else {}

    return Connection(configuration.host, headers, _ssl(configuration), namespace)


def _ssl(configuration: Any) -> ssl.SSLContext | None:
    if not configuration.host.startswith("https"):
        return None
    made = ssl.create_default_context(
        cafile=configuration.ssl_ca_cert, cadata=getattr(configuration, "ca_cert_data", None)
    )
    if configuration.cert_file:
        made.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made
