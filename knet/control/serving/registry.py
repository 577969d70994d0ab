"""What a tag stands for, asked of a registry (OCI distribution: pulling manifests; docker.com: token authentication)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from knet.model.images import DOCKER_HUB, Reference
from knet.text import json

_ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_LARGEST = 8 * 2**20
_HUB_API = "registry-1.docker.io"


class RegistryError(Exception):
    """Why a registry did not say it; no secret is in the text."""


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, …)"

    def header(self) -> str:
        """As HTTP's basic authentication has it."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


Logins = Mapping[str, Login]
"""By registry."""


def logins(secret: Mapping[str, Any]) -> dict[str, Login]:
    """What a pull Secret holds; what cannot be read in it is passed over."""
    data = secret.get("data") or {}
    raw = data.get(".dockerconfigjson") or data.get(".dockercfg") or ""
    try:
        found = json.loads(base64.b64decode(raw))
    except (ValueError, binascii.Error):
        return {}
    entries = found.get("auths", found) if isinstance(found, dict) else {}
    made = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        login = _login(entry) if isinstance(entry, dict) else None
        if login is not None:
            made[_host(name)] = login
    return made


def _login(entry: Mapping[str, Any]) -> Login | None:
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    try:
        user, colon, password = base64.b64decode(str(entry.get("auth", ""))).decode().partition(":")
    except (ValueError, binascii.Error):
        return None
    return Login(user, password) if colon else None


def _host(name: str) -> str:
    host = re.sub(r"\Ahttps?://", "", name).partition("/")[0]
    return DOCKER_HUB if host in ("docker.io", _HUB_API) else host


class Registry:
    """Asks registries over TLS. `insecure` are those that speak plain HTTP."""

    def __init__(self, session: aiohttp.ClientSession, insecure: Collection[str] = ()) -> None:
        self._session = session
        self._insecure = insecure

    async def digest(self, image: Reference, known: Logins) -> str:
        """The digest of an image's tag. Raises RegistryError."""
        scheme = "http" if image.registry in self._insecure else "https"
        host = _HUB_API if image.registry == DOCKER_HUB else image.registry
        url = f"{scheme}://{host}/v2/{image.repository}/manifests/{image.tag}"
        login = known.get(image.registry)
        try:
            return await self._ask(url, login)
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryError(f"{image.registry}: {str(error) or type(error).__name__}") from error

    async def _ask(self, url: str, login: Login | None) -> str:
        headers = {"accept": _ACCEPT}
        async with self._session.head(url, headers=headers, allow_redirects=True) as answer:
            status, challenge = answer.status, answer.headers.get("www-authenticate", "")
            if status == 200 and (found := _said(answer)):
                return found
        if status == 401:
            headers["authorization"] = await self._authorization(url, challenge, login)
        elif status not in {200, 405}:
            raise RegistryError(f"the registry answers {status}")
        async with self._session.get(url, headers=headers) as answer:
            if answer.status != 200:
                raise RegistryError(f"the registry answers {answer.status}")
            if found := _said(answer):
                return found
            body = await answer.content.read(_LARGEST)
            if not answer.content.at_eof():
                raise RegistryError("the manifest is too large")
            return "sha256:" + hashlib.sha256(body).hexdigest()

    async def _authorization(self, url: str, challenge: str, login: Login | None) -> str:
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if login is None:
                raise RegistryError("the registry wants a login, and no pull secret has one")
            return login.header()
        if kind.lower() != "bearer":
            raise RegistryError("the registry wants a login of an unknown kind")
        said = dict(_PARAMETER.findall(rest))
        realm = said.pop("realm", "")
        secure = realm.startswith("https://") or (url.startswith("http://") and realm.startswith("http://"))
        if not secure:
            raise RegistryError("the registry's login is not over TLS")
        headers = {"authorization": login.header()} if login else {}
        query = {key: said[key] for key in ("service", "scope") if key in said}
        async with self._session.get(realm, params=query, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise RegistryError(f"the registry's login answers {answer.status}")
            found = json.loads(await answer.content.read(_LARGEST))
        token = found.get("token") or found.get("access_token") if isinstance(found, dict) else ""
        if not token:
            raise RegistryError("the registry's login gives no token")
        return f"Bearer {token}"


def _said(answer: aiohttp.ClientResponse) -> str:
    found = answer.headers.get("docker-content-digest", "")
    return found if _DIGEST.match(found) else ""
