"""A real kube-apiserver on a real etcd, for tests: found by KUBEBUILDER_ASSETS, as envtest finds them."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from knet.kube.client import Client
from knet.kube.connection import with_token
from knet.text import json
from ports import free_ports

BUILT = Path(__file__).parent.parent / ".tools" / "cluster"
TOKEN = "test-token"
PATIENCE = 60.0


def assets() -> Path:
    """The directory that holds etcd, kube-apiserver and kubectl."""
    return Path(os.environ.get("KUBEBUILDER_ASSETS") or BUILT)


def missing() -> str:
    """Why there is no real API server here; empty if there is one."""
    absent = [name for name in ("etcd", "kube-apiserver") if not (assets() / name).is_file()]
    return f"no {' and '.join(absent)} in {assets()}: run `make api-tools`" if absent else ""


@dataclass(frozen=True)
class Real:
    """One running server. It has no controllers and no nodes: objects are stored, and nothing else happens."""

    url: str
    authority: Path
    kubeconfig: Path
    token: str = TOKEN

    def tls(self) -> SSLContext:
        return create_default_context(cafile=self.authority)

    def client(self) -> Client:
        """A client of it; an async context manager."""
        return Client(with_token(self.url, self.token, self.authority))


@contextmanager
def real(folder: Path, *flags: str) -> Iterator[Real]:
    """Runs both programs with their files in `folder`; ends them afterwards. `flags` are more of kube-apiserver's."""
    listen, peers, secure = free_ports(3)
    with ExitStack() as running:
        where = f"http://127.0.0.1:{listen}"
        etcd = [
            "--data-dir",
            f"{folder}/etcd",
            "--unsafe-no-fsync",
            "--listen-peer-urls",
            f"http://127.0.0.1:{peers}",
        ]
        etcd += ["--listen-client-urls", where, "--advertise-client-urls", where]
        running.enter_context(_process("etcd", etcd, folder))
        server = running.enter_context(
            _process("kube-apiserver", [*_flags(folder, where, secure), *flags], folder)
        )
        made = Real(f"https://127.0.0.1:{secure}", folder / "certs" / "apiserver.crt", folder / "kubeconfig")
        _ready(made, server, folder)
        made.kubeconfig.write_text(json.pretty(_kubeconfig(made)))
        yield made


def _flags(folder: Path, etcd: str, port: int) -> list[str]:
    key, tokens = folder / "service-accounts.key", folder / "tokens.csv"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    return [
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}/certs",
        f"--token-auth-file={tokens}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--authorization-mode=RBAC",
        # nobody makes the service accounts that pods would have to have
        "--disable-admission-plugins=ServiceAccount",
    ]


@contextmanager
def _process(name: str, arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([assets() / name, *arguments], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_LAST = ("/readyz", *(f"/api/v1/namespaces/default/{kind}/kubernetes" for kind in ("services", "endpoints")))
"""What it has when its start is over: it makes its own Service after it has said that it is ready."""


def _ready(made: Real, server: subprocess.Popen[bytes], folder: Path) -> None:
    """Asks until it says that it is ready; it tells nobody by itself."""
    deadline = time.monotonic() + PATIENCE
    missing = list(_LAST)
    while server.poll() is None and time.monotonic() < deadline:
        asked = urllib.request.Request(
            f"{made.url}{missing[0]}", headers={"authorization": f"Bearer {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(asked, context=made.tls(), timeout=5) as answer:
                if answer.status == 200:
                    del missing[0]
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
        if not missing:
            return
    raise RuntimeError(
        f"kube-apiserver did not become ready:\n{(folder / 'kube-apiserver.log').read_text()[-2000:]}"
    )


def _kubeconfig(made: Real) -> dict[str, object]:
    cluster = {"server": made.url, "certificate-authority": str(made.authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "real",
        "clusters": [{"name": "real", "cluster": cluster}],
        "users": [{"name": "real", "user": {"token": made.token}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
    }
