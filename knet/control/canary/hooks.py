"""Webhooks that are asked before or after a step; and the one request that these and notifications are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from knet.rollout.machine import HookAnswer
from knet.rollout.plan import Hook

_FIRST_PAUSE = 0.5
_SAID = 200


async def ask(key: str, hook: Hook, body: Mapping[str, Any]) -> HookAnswer:
    """Posts `body` until the hook answers 2xx, or all tries are used up."""
    ok, said = await post(hook.url, body, hook.timeout, hook.retries)
    return HookAnswer(key, ok=ok or hook.ignore, message=said if ok else f"{said} ({hook.retries + 1} tries)")


async def post(url: str, body: Mapping[str, Any], timeout: float, retries: int) -> tuple[bool, str]:  # noqa: ASYNC109 - of one try
    """Posts `body` as JSON until somebody answers 2xx; whether so, and the last answer in words without the URL:
    who may see a status or a log need not know the address, which for chats is the password too.
    """
    for attempt in range(retries + 1):
        if attempt:
            await asyncio.sleep(_FIRST_PAUSE * 2 ** (attempt - 1))
        ok, said = await _once(url, body, timeout)
        if ok:
            break
    return ok, said


async def _once(url: str, body: Mapping[str, Any], timeout: float) -> tuple[bool, str]:  # noqa: ASYNC109 - see post
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
    except aiohttp.InvalidURL:
        return False, "its URL is none"
    except aiohttp.ClientError as error:
        return False, f"{type(error).__name__}: {error}"
