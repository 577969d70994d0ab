"""The components as processes on a real API server, each as its own account, which roles are enforced for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from knet.control.operator import STATIC
from knet.kube.errors import ApiError
from knet.kube.resources import INGRESSES, Resource
from knet.text import json

TOKENS = Resource("", "v1", "serviceaccounts", "TokenRequest")
SYSTEM = "knative-serving"
ENFORCED = ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]
_CANARY = "a canary needs traffic: tests of canaries bring it"
UNEXERCISED = {
    "knet-controller: patch events": "an event has to come twice",
    "knet-controller: patch secrets in knative-serving": "certificates are renewed after two months",
    **{
        f"knet-controller: {right}": _CANARY
        for right in (
            "get canaries.knet.dev",
            "update canaries/status.knet.dev",
            "get services.serving.knative.dev",
            "patch services.serving.knative.dev",
            "get routes.serving.knative.dev",
            "get revisions.serving.knative.dev",
            "get podautoscalers.autoscaling.internal.knative.dev",
            "get configmaps",
            "create configmaps",
            "patch configmaps",
        )
    },
}
"""Rights that are granted for what no test of roles brings about, and why it does not."""


async def token(client, account):
    """A token of an account, as kubelet would mount it."""
    path = TOKENS.path(SYSTEM, account, "token")
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    made = await client._ask("POST", path, None, body)
    return made["status"]["token"]


async def kubeconfig(running, client, account, folder):
    path = folder / f"{account}.kubeconfig"
    config = json.loads(running.kubeconfig.read_bytes())
    config["users"][0]["user"] = {"token": await token(client, account)}
    path.write_bytes(json.dumps(config))
    return path


@contextlib.asynccontextmanager
async def component(folder, *arguments):
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        environment = {**os.environ, "TMPDIR": str(folder)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "knet", *arguments, stdout=log, stderr=log, env=environment
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()


async def reached(client, port):
    """The webhooks are reached by a URL: no network leads from this API server to Services."""
    for kind, name in STATIC:
        found = await client.get(kind, name)
        for one in found["webhooks"]:
            path = one["clientConfig"].pop("service")["path"]
            one["clientConfig"] = {"url": f"https://localhost:{port}{path}"}
        await client.replace(kind, found)


async def trusted(live):
    """Waits until the API server is told whom to trust, and has heard: it follows its own configurations too."""
    trusts = lambda item: all(w["clientConfig"].get("caBundle") for w in item["webhooks"])  # noqa: E731
    for kind, name in STATIC:
        await live.until(kind, name, trusts)
    body = {
        "apiVersion": INGRESSES.api_version,
        "kind": INGRESSES.kind,
        "metadata": {"name": "asked"},
        "spec": {},
    }
    async with asyncio.timeout(live.patience):
        while True:
            try:
                await live.client.create(INGRESSES, body, "default", dry_run=True)
            except ApiError as error:
                if "failed calling webhook" not in str(error):
                    return  # the webhook was asked, and has refused it
            else:
                return
            await asyncio.sleep(0.05)  # it tells nobody
