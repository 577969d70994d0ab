"""Webhooks: those that are asked before or after a step, and those that hear what happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp

from knet.rollout.machine import HookAnswer
from knet.rollout.plan import Hook

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.5
_SAID = 200


async def ask(key: str, hook: Hook, body: Mapping[str, Any]) -> HookAnswer:
    """Posts `body` until the hook answers 2xx, or all tries are used up."""
    said = ""
    for attempt in range(hook.retries + 1):
        if attempt:
            await asyncio.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        ok, said = await _post(hook.url, body, hook.timeout)
        if ok:
            return HookAnswer(key, ok=True, message=said)
    return HookAnswer(key, ok=hook.ignore, message=f"{said} ({hook.retries + 1} tries)")


async def tell(url: str, body: Mapping[str, Any]) -> None:
    """Posts what happened; what cannot be told is logged and let go."""
    ok, said = False, ""
    for attempt in range(3):
        if attempt:
            await asyncio.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        ok, said = await _post(url, body, 10.0)
        if ok:
            return
    _log.warning("notification of %s: %s", body.get("canary"), said)


async def _post(url: str, body: Mapping[str, Any], timeout: float) -> tuple[bool, str]:  # noqa: ASYNC109 - a hook's
    patience = aiohttp.ClientTimeout(total=timeout)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience) as session,
            session.post(url, json=dict(body), allow_redirects=False) as answer,
        ):
            text = (await answer.content.read(_SAID)).decode(errors="replace").strip()
            return answer.status // 100 == 2, f"{answer.status} {text}".strip()
    except TimeoutError:
        return False, f"no answer within {timeout:g} s"
    except aiohttp.ClientError as error:
        return False, f"{type(error).__name__}: {error}"
