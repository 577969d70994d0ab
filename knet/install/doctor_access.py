"""May the components do what they have to, and does the API server reach the webhook? Asked of it."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509

from knet.control.operator_kinds import CONFIGURATION
from knet.install.doctor import Finding, Patient, bad, good, warning
from knet.install.manifests import manifests
from knet.install.values import read
from knet.kube.client import Client, Object
from knet.kube.errors import ApiError, Forbidden, NotFound
from knet.kube.resources import ENDPOINTS, INGRESSES, SECRETS, VALIDATING_WEBHOOKS, Resource
from knet.model.network import SYSTEM_NAMESPACE

REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
_AT_ONCE = 16
_SOON = dt.timedelta(days=7)
_WEBHOOK = "knet-webhook"
_MEND = "knet install writes the roles anew; a policy of the cluster may forbid them"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one kind; `namespace` "" is everywhere, `name` "" any object."""

    account: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.resource}{'.' * bool(self.group)}{self.group}{'/' * bool(self.subresource)}{self.subresource}"
        return f"{self.verb} {kind}{f' in {self.namespace}' if self.namespace else ''}"


def rights(objects: list[Object]) -> Iterator[Right]:
    """Everything that the roles among some manifests grant, by the account they are bound to."""
    for item in objects:
        if item["kind"] in ("ClusterRole", "Role") and item["metadata"]["name"].startswith("knet-"):
            for rule in item["rules"]:
                yield from _of_rule(item, rule)


def _of_rule(role: Object, rule: Mapping[str, Any]) -> Iterator[Right]:
    meta = role["metadata"]
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            kind, _, sub = resource.partition("/")
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or ("",):
                    yield Right(meta["name"], verb, group, kind, sub, meta.get("namespace", ""), name)


async def permissions(patient: Patient) -> AsyncIterator[Finding]:
    """Asks the API server, as each account, whether it may do what its role is for."""
    given = {"gateway": patient.gateway, "mode": patient.inventory.mode if patient.inventory else "full"}
    wanted = list(dict.fromkeys(rights(manifests(read({}, given)))))
    gate = asyncio.Semaphore(_AT_ONCE)
    denied: list[Right] = []
    unasked: list[str] = []
    by_account: dict[str, list[Right]] = {}
    for right in wanted:
        by_account.setdefault(right.account, []).append(right)
    for account, of_it in by_account.items():
        async with _as(patient.client, account) as client:

            async def ask(right: Right, client: Client = client) -> None:
                async with gate:
                    if not await _may(client, right):
                        denied.append(right)

            try:
                async with asyncio.TaskGroup() as group:
                    for right in of_it:
                        group.create_task(ask(right))
            except* Forbidden:
                unasked.append(account)
    for right in denied:
        yield bad("permissions", f"{right.account} may not {right}", _MEND)
    if unasked:
        mend = "use the context of an administrator: it asks on behalf of the components"
        yield warning("permissions", f"what {', '.join(unasked)} may do cannot be asked", mend)
    elif not denied:
        yield good("permissions", f"{len(wanted)} rights of {', '.join(by_account)}")


def _as(client: Client, account: str) -> Client:
    """A client that speaks for an account (impersonation)."""
    connection = client.connection
    user = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account}"

    async def headers() -> Mapping[str, str]:
        return {**await connection.headers(), "impersonate-user": user}

    return Client(replace(connection, headers=headers))


async def _may(client: Client, right: Right) -> bool:
    asked = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    body = {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind}
    review = await client.create(REVIEWS, {**body, "spec": {"resourceAttributes": asked}})
    return bool(review["status"]["allowed"])


async def webhook(patient: Patient) -> AsyncIterator[Finding]:
    """Its configuration, its certificate, its endpoints, and whether it answers."""
    client = patient.client
    found = await client.get(VALIDATING_WEBHOOKS, CONFIGURATION)
    secret = await _secret(client)
    bundles = {(hook["clientConfig"].get("caBundle") or "") for hook in found.get("webhooks") or ()}
    if "" in bundles:
        mend = "the controller fills it in: see whether it runs, and has --webhook-static"
        yield bad("webhook", f"{CONFIGURATION} does not say whom to trust (caBundle)", mend)
    elif secret is not None:
        yield _trusted(bundles, secret)
    yield _life(secret)
    yield await _addresses(client)
    yield await _answers(client)


async def _secret(client: Client) -> Object | None:
    try:
        return await client.get(SECRETS, _WEBHOOK, SYSTEM_NAMESPACE)
    except NotFound:
        return None


def _certificate(secret: Object) -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


def _trusted(bundles: set[str], secret: Object) -> Finding:
    for bundle in bundles:
        authority = x509.load_pem_x509_certificate(base64.b64decode(bundle))
        if authority.subject != _certificate(secret).issuer:
            mend = f"kubectl -n {SYSTEM_NAMESPACE} rollout restart deployment/knet-controller"
            return bad(
                "webhook", f"{CONFIGURATION} trusts another authority than signed our certificate", mend
            )
    return good("webhook", f"{CONFIGURATION} trusts our authority")


def _life(secret: Object | None) -> Finding:
    if secret is None:
        mend = f"kubectl -n {SYSTEM_NAMESPACE} logs deployment/knet-controller"
        return bad("webhook", f"it has no certificate: no Secret {SYSTEM_NAMESPACE}/{_WEBHOOK}", mend)
    left = _certificate(secret).not_valid_after_utc - dt.datetime.now(dt.UTC)
    if left < _SOON:
        mend = f"it is renewed 30 days before by the controller: kubectl -n {SYSTEM_NAMESPACE} logs deployment/knet-controller"
        return bad("webhook", f"its certificate ends in {left.days} days", mend)
    return good("webhook", f"its certificate is good for {left.days} days")


async def _addresses(client: Client) -> Finding:
    try:
        found = await client.get(ENDPOINTS, _WEBHOOK, SYSTEM_NAMESPACE)
    except NotFound:
        found = {}
    count = sum(len(subset.get("addresses") or ()) for subset in found.get("subsets") or ())
    if not count:
        mend = "every write of Knative's objects fails until a controller is ready: see deployments"
        return bad("webhook", f"Service {SYSTEM_NAMESPACE}/{_WEBHOOK} has no ready endpoint", mend)
    return good("webhook", f"{count} endpoints")


async def _answers(client: Client) -> Finding:
    """A KIngress that must be refused is shown to the API server; nothing is stored."""
    rule = {"hosts": ["a.example.com"], "http": {"paths": [{"splits": [
        {"serviceName": "a", "serviceNamespace": "default", "servicePort": 80, "percent": 50}]}]}}  # fmt: skip
    meta = {"name": "knet-doctor", "namespace": "default"}
    body = {
        "apiVersion": INGRESSES.api_version,
        "kind": INGRESSES.kind,
        "metadata": meta,
        "spec": {"rules": [rule]},
    }
    try:
        await client.create(INGRESSES, body, dry_run=True)
    except ApiError as error:
        if "validation failed" in error.message:
            return good("webhook", "it answers the API server")
        mend = "network policies and firewalls have to let the API server reach port 8443 of the controller"
        return bad("webhook", f"the API server does not reach it: {error.message}", mend)
    return bad(
        "webhook", "objects that are not valid are let in", "knet install writes its configuration anew"
    )
