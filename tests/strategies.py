"""Hypothesis strategies: KIngresses, the worlds they live in, and requests that may hit them.

Names come from small pools, so that hosts collide, paths nest and headers overlap often.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from knet.model import core, kingress
from knet.routing.match import Request
from knet.routing.table import Visibility
from knet.routing.world import World
from support import CLASSES

NAMESPACES = ("default", "prod")
NAMES = ("app", "shop", "www.example.com")
SERVICES = ("app-00001", "app-00002", "app-00003", "shop-00001")
EXTERNAL_HOSTS = (
    "app.default.example.com",
    "canary-app.default.example.com",
    "shop.prod.example.com",
    "www.example.com",
    "app.com",
)
LOCAL_HOSTS = (
    "app.default",
    "app.default.svc",
    "app.default.svc.cluster.local",
    "shop.prod.svc.cluster.local",
)
PATHS = ("", "", "/", "/", "/api", "/api/", "/api/v1", "/apix", "/b", "/.well-known/acme-challenge/x")
HEADER_NAMES = ("Knative-Serving-Tag", "X-Canary", "x-user")
HEADER_VALUES = ("canary", "yes", "1")
SECRETS = ("app-cert", "shop-cert")

# Hypothesis takes a while to make a strategy: made once, they are asked for at each draw
one_of = cache(st.sampled_from)
up_to = cache(st.integers)
either = st.booleans()
some_services = st.lists(one_of(SERVICES), min_size=1, max_size=3, unique=True)


@cache
def some_hosts(pool: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(one_of(pool), min_size=1, max_size=3, unique=True)


@cache
def headers(values: tuple[str, ...] = HEADER_VALUES, most: int = 2) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(one_of(HEADER_NAMES), one_of(values), max_size=most)


@cache
@st.composite
def splits(draw: st.DrawFn, namespace: str) -> list[dict[str, Any]]:
    services = draw(some_services)
    first = draw(up_to(0, 100))
    weights = {
        1: [100],
        2: [first, 100 - first],
        3: [first, (100 - first) // 2, 100 - first - (100 - first) // 2],
    }
    made = []
    for service, percent in zip(services, weights[len(services)], strict=True):
        split: dict[str, Any] = {"serviceNamespace": namespace, "serviceName": service, "servicePort": 80}
        if percent and not (len(services) == 1 and draw(either)):
            split["percent"] = percent
        if draw(either):
            split["appendHeaders"] = {"Knative-Serving-Revision": service}
        made.append(split)
    return made


@cache
@st.composite
def paths(draw: st.DrawFn, namespace: str) -> dict[str, Any]:
    made: dict[str, Any] = {"splits": draw(splits(namespace))}
    if path := draw(one_of(PATHS)):
        made["path"] = path
    if draw(up_to(0, 2)) == 0:
        values = (*HEADER_VALUES, "") if draw(up_to(0, 5)) == 0 else HEADER_VALUES
        made["headers"] = {n: {"exact": v} for n, v in draw(headers(values)).items()}
    if draw(up_to(0, 3)) == 0:
        made["appendHeaders"] = {"X-Path": draw(one_of(HEADER_VALUES))}
    if draw(up_to(0, 9)) == 0:
        made["rewriteHost"] = "app.default.svc.cluster.local"
    return made


@cache
def some_paths(namespace: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(paths(namespace), min_size=1, max_size=3)


@cache
@st.composite
def rules(draw: st.DrawFn, namespace: str) -> dict[str, Any]:
    local = draw(either)
    pool = LOCAL_HOSTS if local else EXTERNAL_HOSTS
    made: dict[str, Any] = {
        "hosts": draw(some_hosts(pool)),
        "http": {"paths": draw(some_paths(namespace))},
    }
    if local:
        made["visibility"] = "ClusterLocal"
    elif draw(up_to(0, 9)):
        made["visibility"] = "ExternalIP"
    return made


@cache
def some_rules(namespace: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(rules(namespace), min_size=1, max_size=4)


@st.composite
def kingresses(
    draw: st.DrawFn, gateway: str = "kourier", names: tuple[str, ...] = NAMES
) -> kingress.KIngress:
    """A valid KIngress of the gateway's class, with one to four rules."""
    namespace = draw(one_of(NAMESPACES))
    spec: dict[str, Any] = {"rules": draw(some_rules(namespace))}
    if option := draw(one_of(("Enabled", "Enabled", "Enabled", "Redirected", ""))):
        spec["httpOption"] = option
    outer = [r["hosts"] for r in spec["rules"] if r.get("visibility") != "ClusterLocal"]
    if outer and draw(up_to(0, 2)) == 0:
        hosts = sorted(set(draw(st.sampled_from(outer))))
        secret = draw(one_of(SECRETS))
        spec["tls"] = [{"hosts": hosts, "secretName": secret, "secretNamespace": namespace}]
    metadata = {
        "name": draw(one_of(names)),
        "namespace": namespace,
        "uid": "00000000-0000-4000-8000-000000000000",
        "generation": draw(up_to(1, 3)),
        "creationTimestamp": f"2026-01-0{draw(up_to(1, 3))}T00:00:00Z",
        "annotations": {kingress.LEGACY_CLASS_ANNOTATION: CLASSES[gateway]},
        "labels": {"serving.knative.dev/route": "app"},
    }
    return kingress.parse(
        {"apiVersion": kingress.API_VERSION, "kind": "Ingress", "metadata": metadata, "spec": spec}
    )


def make_world(*made: kingress.KIngress) -> World:
    """A World in which every Service of `SERVICES` exists with two ready addresses, and every Secret."""
    services, slices, secrets = _beside()
    return World({k.key: k for k in made}, dict(services), dict(slices), dict(secrets))


@cache
def _beside() -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    services, slices, secrets = {}, {}, {}
    for namespace in NAMESPACES:
        for i, name in enumerate(SERVICES):
            key = (namespace, name)
            services[key] = core.parse(_service(namespace, name))
            slices[key] = (core.parse(_slice(namespace, name, i)),)
        for name in SECRETS:
            secrets[namespace, name] = core.parse(_secret(namespace, name))
    return services, slices, secrets


def worlds(
    gateway: str = "kourier", most: int = 3, names: tuple[str, ...] = NAMES
) -> st.SearchStrategy[World]:
    """Worlds of one to `most` KIngresses whose backends and Secrets all exist."""
    return st.lists(kingresses(gateway, names), min_size=1, max_size=most).map(lambda made: make_world(*made))


@st.composite
def requests(draw: st.DrawFn, world: World) -> Request:
    """A request to a host of the world (as written, upper case, with port) or, rarely, to none.

    Mostly it comes in where the host is served.
    """
    rows = [r for k in world.ingresses.values() for r in k.spec.rules if r.hosts]
    row = draw(st.sampled_from(rows))
    local = row.visibility == kingress.CLUSTER_LOCAL
    if draw(up_to(0, 7)) == 0:
        local = not local
    host = draw(st.sampled_from(row.hosts)) if draw(up_to(0, 15)) else "nobody.example.org"
    host = draw(st.sampled_from((host, host, host, host + ":8080", host.upper())))
    path = draw(one_of((*(p for p in PATHS if p), "/other", "/api/v1/deep?x=/b")))
    sent = draw(headers((*HEADER_VALUES, "other"), most=3))
    if draw(up_to(0, 4)) == 0:
        sent["K-Network-Hash"] = "override"
    name_case = draw(one_of((str, str.lower)))
    return Request(
        host,
        path,
        tuple((name_case(n), v) for n, v in sorted(sent.items())),
        draw(one_of(("http", "http", "http", "https"))),
        Visibility.INTERNAL if local else Visibility.EXTERNAL,
    )


def _service(namespace: str, name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8012}]
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}}


def _slice(namespace: str, name: str, index: int) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": namespace,
            "labels": {core.SERVICE_NAME_LABEL: name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"10.0.{index}.{i}"], "conditions": {"ready": True}} for i in (1, 2)],
        "ports": [{"name": "http", "port": 8012}],
    }


def _secret(namespace: str, name: str) -> dict[str, Any]:
    chain, key = key_pair(name)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"},
        "stringData": {"tls.crt": chain, "tls.key": key},
    }


_PAIRS: dict[str, tuple[str, str]] = {}


def key_pair(name: str, hosts: tuple[str, ...] = EXTERNAL_HOSTS) -> tuple[str, str]:
    """A self-signed (chain PEM, key PEM) for `hosts`, made once for each name in a test run."""
    if name not in _PAIRS:
        _PAIRS[name] = make_pair(name, hosts)
    return _PAIRS[name]


def make_pair(name: str, hosts: tuple[str, ...], *, rsa: bool = False) -> tuple[str, str]:
    """A new self-signed (chain PEM, key PEM): ECDSA P-256, or RSA 2048."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
    from cryptography.x509.oid import NameOID

    key = rsa_keys.generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM).decode()
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return chain, key.private_bytes(serialization.Encoding.PEM, *form).decode()
