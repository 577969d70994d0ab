"""What Knative's webhook says of a KIngress, in its words, and what no gateway can route.

Rules and texts: facts/translation.md part 1, Common 7, and part 2, Shared 11; held to
`golden/kingress/invalid`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from knet.model.kingress import (
    HTTPIngressPath,
    IngressBackendSplit,
    IngressRule,
    IngressSpec,
    IngressTLS,
    KIngress,
)

MISSING = "missing field(s)"
NAMESPACE = "service namespace must match ingress namespace"
HTTP_OPTIONS = ("", "Enabled", "Redirected")
MAX_HOST = 253
MAX_PORT = 65535

Problem = tuple[str, str]
"""(message, path): one thing that is wrong, and where."""

_EMPTY_SPEC, _EMPTY_RULE, _EMPTY_PATH, _EMPTY_TLS = (
    IngressSpec(),
    IngressRule(),
    HTTPIngressPath(),
    IngressTLS(),
)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9_]{0,61}[a-z0-9])?\Z", re.IGNORECASE)
_SERVICE_NAME = re.compile(r"[A-Za-z0-9._~-]*\Z")


def validate(ingress: KIngress) -> list[Problem]:
    """Everything Knative's validation refuses, one entry for each path, in reading order."""
    spec = ingress.spec
    if spec == _EMPTY_SPEC:
        return [(MISSING, "spec")]
    found: list[Problem] = []
    if not spec.rules:
        found.append((MISSING, "spec.rules"))
    for i, rule in enumerate(spec.rules):
        found += _rule(rule, f"spec.rules[{i}]", ingress.metadata.namespace)
    for i, tls in enumerate(spec.tls):
        found += _tls(tls, f"spec.tls[{i}]")
    if spec.http_option not in HTTP_OPTIONS:
        found.append((f"invalid value: {spec.http_option}", "spec.httpOption"))
    return found


def error_text(problems: list[Problem]) -> str:
    """The problems as the webhook words them: equal messages merged, paths and lines sorted."""
    merged: dict[str, set[str]] = {}
    for message, path in problems:
        merged.setdefault(message, set()).add(path)
    return "\n".join(f"{message}: {', '.join(sorted(paths))}" for message, paths in sorted(merged.items()))


def _rule(rule: IngressRule, at: str, namespace: str) -> list[Problem]:
    if rule == _EMPTY_RULE:
        return [(MISSING, at)]
    if rule.http is None:
        return [(MISSING, f"{at}.http")]
    if not rule.http.paths:
        return [(MISSING, f"{at}.http.paths")]
    found: list[Problem] = []
    for j, path in enumerate(rule.http.paths):
        found += _path(path, f"{at}.http.paths[{j}]", namespace)
    return found


def _path(path: HTTPIngressPath, at: str, namespace: str) -> list[Problem]:
    if not path.splits:
        return [(MISSING, at if path == _EMPTY_PATH else f"{at}.splits")]
    total = 0
    for k, split in enumerate(path.splits):
        # the first bad split hides the rest of its path, as upstream returns there
        if found := _split(split, f"{at}.splits[{k}]", namespace):
            return found
        total += split.percent
    if total != 100 and not (len(path.splits) == 1 and total == 0):
        return [(f"traffic split percentage must total to 100, but was {total}", f"{at}.splits")]
    return []


def _split(split: IngressBackendSplit, at: str, namespace: str) -> list[Problem]:
    no_port = split.service_port == 0
    if no_port and not split.service_name and not split.service_namespace:
        found = [(MISSING, at)]
    else:
        found = []
        if not split.service_namespace:
            found.append((MISSING, f"{at}.serviceNamespace"))
        elif split.service_namespace != namespace:
            found.append((NAMESPACE, f"{at}.serviceNamespace"))
        if not split.service_name:
            found.append((MISSING, f"{at}.serviceName"))
        if no_port:
            found.append((MISSING, f"{at}.servicePort"))
    if not 0 <= split.percent <= 100:
        found.append((f"invalid value: {split.percent}", f"{at}.percent"))
    return found


def _tls(tls: IngressTLS, at: str) -> list[Problem]:
    if tls == _EMPTY_TLS:
        return [(MISSING, at)]
    found: list[Problem] = []
    if not tls.secret_name:
        found.append((MISSING, f"{at}.secretName"))
    if not tls.secret_namespace:
        found.append((MISSING, f"{at}.secretNamespace"))
    return found


def bad_hosts(ingress: KIngress) -> Iterator[Problem]:
    """Hosts in rules that no request can carry, with the reason; Knative's webhook looks at none."""
    for i, rule in enumerate(ingress.spec.rules):
        for j, host in enumerate(rule.hosts):
            if why := host_problem(host):
                yield f'host "{host}" {why}', f"spec.rules[{i}].hosts[{j}]"


def host_problem(host: str) -> str:
    """Why a host cannot be routed, in words; empty if it can. One leading `*.` label is fine."""
    if not host:
        return "is empty"
    name = host.removeprefix("*.").removesuffix(".") if host != "*" else "any"
    if ":" in name:
        return "has a port or is an IPv6 address: leave the port out"
    if "/" in name:
        return "has a scheme or a path: write the bare host"
    if len(name) > MAX_HOST:
        return f"is longer than {MAX_HOST} characters"
    for label in name.split("."):
        if not label:
            return "has an empty label (two dots, or a dot in front)"
        if "*" in label:
            return "has a * that is not its first label"
        if len(label) > 63:
            return f'has a label longer than 63 characters: "{label[:20]}…"'
        if not _LABEL.match(label):
            return f'has a label that is not letters, digits and dashes: "{label}"'
    return ""


def bad_ports(ingress: KIngress) -> Iterator[Problem]:
    """Split ports that are no TCP port, with the reason."""
    for i, rule in enumerate(ingress.spec.rules):
        for j, path in enumerate(rule.http.paths if rule.http else ()):
            for k, split in enumerate(path.splits):
                if isinstance(split.service_port, int) and not 0 <= split.service_port <= MAX_PORT:
                    where = f"spec.rules[{i}].http.paths[{j}].splits[{k}].servicePort"
                    yield f"port {split.service_port} is not between 1 and {MAX_PORT}", where
