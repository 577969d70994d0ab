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


def wrong(folder: Path, objects, unexercised) -> dict[str, list[str]]:
    """What was denied, what was used without a rule for it, and what was granted but not used; {} if all is well.

    `objects` are what was installed; `unexercised` the rights (as text) that need not have been used.
    """
    used, denied = uses(folder)
    assert used, "nothing was written down"
    rights = {r for r in granted(objects) if r.account in {u.account for u in used}}
    narrow = {r for r in rights if r.namespace}

    def needed(right: Use) -> bool:
        """A right everywhere is not used by what one in a single namespace would have allowed too."""
        return any(
            covers(right, u) and (right.namespace or not any(covers(n, u) for n in narrow)) for u in used
        )

    # the server asks by itself about finalizers, without a request that it would write down: without them 403 would stand there
    idle = {r for r in rights if not r.resource.endswith("/finalizers") and not needed(r)}
    found = {
        "denied": sorted(denied),
        "used, not granted": sorted(str(u) for u in used if not any(covers(r, u) for r in rights)),
        "granted, not used": sorted(str(r) for r in idle if str(r) not in unexercised),
    }
    return {k: v for k, v in found.items() if v}
