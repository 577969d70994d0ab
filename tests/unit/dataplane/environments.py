"""Environments of a queue-proxy, as Knative's Deployments give them."""

from __future__ import annotations

USUAL = {
    "SERVING_NAMESPACE": "default",
    "SERVING_SERVICE": "hello",
    "SERVING_CONFIGURATION": "hello",
    "SERVING_REVISION": "hello-00007",
    "SERVING_POD": "hello-00007-deployment-x",
    "SERVING_POD_IP": "10.1.2.3",
    "QUEUE_SERVING_PORT": "8012",
    "QUEUE_SERVING_TLS_PORT": "8112",
    "USER_PORT": "8080",
    "CONTAINER_CONCURRENCY": "0",
    "REVISION_TIMEOUT_SECONDS": "300",
    "REVISION_RESPONSE_START_TIMEOUT_SECONDS": "0",
    "REVISION_IDLE_TIMEOUT_SECONDS": "0",
    "SERVING_READINESS_PROBE": '{"tcpSocket":{"port":8080,"host":"127.0.0.1"},"successThreshold":1}',
}


def environment(**changes: str | None) -> dict[str, str]:
    """The usual one with changes; None takes a variable away."""
    return {name: value for name, value in (USUAL | changes).items() if value is not None}
