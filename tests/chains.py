"""Objects of one Service, as chains and trees look at them."""

from __future__ import annotations

from knet.serving.chain import KSERVICE

KEY = ("default", "hello")
LABELS = {"serving.knative.dev/configuration": "hello", "serving.knative.dev/revision": "hello-00001"}


def item(name="hello", status="True", reason="", message="", *, labels=None, observed=1, **more):
    """An object with a Ready condition; `more` joins its status."""
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 1, "labels": labels or {}},
        "status": {"conditions": [condition], "observedGeneration": observed, **more},
    }


def world(**changed):
    held = {
        KSERVICE: {KEY: item(url="http://hello.default.example.com")},
        "Configuration": {
            KEY: item(latestCreatedRevisionName="hello-00001", latestReadyRevisionName="hello-00001")
        },
        "Revision": {("default", "hello-00001"): item("hello-00001", labels=LABELS)},
        "Deployment": {
            ("default", "hello-00001-deployment"): {
                "metadata": {"name": "hello-00001-deployment", "namespace": "default"},
                "spec": {"replicas": 1},
                "status": {"readyReplicas": 1},
            }
        },
        "Pod": {("default", "p"): item("p", labels=LABELS)},
        "Route": {KEY: item(traffic=[{"percent": 100, "revisionName": "hello-00001", "tag": "blue"}])},
        "Ingress": {KEY: item()},
    }
    held["Ingress"][KEY]["metadata"]["annotations"] = {"networking.knative.dev/ingress-class": "kourier.x"}
    return {**held, **changed}
