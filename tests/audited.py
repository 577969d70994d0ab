"""A real API server that writes down who asks for what, and rules of roles to hold that against."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

ACCOUNT = "system:serviceaccount:knative-serving:"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "users": [f"{ACCOUNT}knet-{c}" for c in ("controller", "autoscaler", "activator")],
        }
    ],
}


@dataclass(frozen=True, order=True)
class Use:
    """One kind of request."""

    account: str
    verb: str
    group: str
    resource: str
    namespace: str

    def __str__(self):
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.account}: {self.verb} {self.resource}{'.' * bool(self.group)}{self.group}{where}"


def flags(folder: Path) -> list[str]:
    """What makes kube-apiserver keep the log."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps(POLICY))
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder}/audit.log",
        "--audit-log-mode=blocking",
    ]


def events(folder: Path):
    """What was asked for so far, as the server wrote it."""
    log = folder / "audit.log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def uses(folder: Path) -> tuple[set[Use], set[str]]:
    """What the accounts asked for, and what they were denied."""
    found, denied = set(), set()
    for event in events(folder):
        what = event.get("objectRef") or {}
        if not what.get("resource") or (event["verb"] == "get" and what["resource"] == "selfsubjectreviews"):
            continue
        resource = what["resource"] + (f"/{what['subresource']}" if what.get("subresource") else "")
        use = Use(
            event["user"]["username"].removeprefix(ACCOUNT),
            event["verb"],
            what.get("apiGroup", ""),
            resource,
            what.get("namespace", ""),
        )
        found.add(use)
        if use.verb == "patch" and (event.get("responseStatus") or {}).get("code") == 201:
            found.add(replace(use, verb="create"))  # an apply of what is not there is asked about as both
        if (event.get("responseStatus") or {}).get("code") == 403 and "webhook" not in json.dumps(
            event["responseStatus"]
        ):
            denied.add(f"{use} ({what.get('name', '')})")
    return found, denied


def granted(objects):
    """(account, verb, group, resource, namespace) of every rule; namespace "" is everywhere."""
    made = set()
    for item in objects:
        if item["kind"] not in ("ClusterRole", "Role"):
            continue
        meta = item["metadata"]
        for rule in item["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    made |= {
                        Use(meta["name"], v, group, resource, meta.get("namespace", ""))
                        for v in rule["verbs"]
                    }
    return made


def covers(right: Use, use: Use) -> bool:
    """Whether a rule grants a request."""
    return (right.account, right.verb, right.group, right.resource) == (
        use.account, use.verb, use.group, use.resource,
    ) and right.namespace in ("", use.namespace)  # fmt: skip
