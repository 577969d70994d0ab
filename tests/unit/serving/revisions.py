"""Revisions, Configurations and Routes for tests, made short."""

from __future__ import annotations

from knet.model import serving

NOW = "2026-01-02T03:04:05Z"


def conditions(**said):
    """`Ready="True"` or `Ready=("False", reason, message)`, as a status has them."""
    made = []
    for kind, value in said.items():
        status, reason, message = (value, "", "") if isinstance(value, str) else value
        made.append({"type": kind, "status": status, "reason": reason, "message": message})
    return made


def kind_of(kind, name, spec=None, status=None, owner="", **meta):
    owners = [{"kind": k, "name": n, "uid": u, "controller": True} for k, n, u in ([owner] if owner else [])]
    return serving.parse(
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": kind,
            "metadata": {
                "name": name, "namespace": "default", "uid": f"{name}-uid", "generation": 1,
                "ownerReferences": owners, **meta,
            },
            "spec": spec or {},
            "status": status or {},
        }
    )  # fmt: skip


def configuration(name="hello", generation=1, template="", image="i", **status):
    """A Configuration that a Service of its name owns."""
    spec = {
        "template": {
            "metadata": {"name": template} if template else {},
            "spec": {"containers": [{"image": image}]},
        }
    }
    return kind_of(
        "Configuration", name, spec, {"observedGeneration": generation, **status},
        ("Service", name, f"{name}-service-uid"), uid=f"{name}-uid", generation=generation,
    )  # fmt: skip


def revision(name="hello-00001", generation=1, ready=None, owner="hello", image="i", **meta):
    """A revision of the Configuration `owner`; `ready` as `conditions` takes it."""
    labels = {
        "serving.knative.dev/configuration": owner,
        "serving.knative.dev/configurationGeneration": str(generation),
        **meta.pop("labels", {}),
    }
    status = {"observedGeneration": 1, "conditions": conditions(Ready=ready)} if ready else {}
    return kind_of(
        "Revision", name, {"containers": [{"name": "user-container", "image": image}]}, status,
        ("Configuration", owner, f"{owner}-uid"), labels=labels, **meta,
    )  # fmt: skip


def route(name, *traffic, shown=()):
    """A Route; `traffic` are its targets, `shown` those of its status."""
    return kind_of("Route", name, {"traffic": list(traffic)}, {"traffic": list(shown)})


def said(status, kind="Ready"):
    """(status, reason, message) of a condition."""
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found.get("reason", ""), found.get("message", "")
