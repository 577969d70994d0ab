"""A reconcile that fails is told of its object, in the words of what stood in its way."""

from __future__ import annotations

import asyncio

import pytest

from knet.control.serving.loop import Loop, ReconcileError
from knet.kube import resources
from knet.kube.errors import ApiError, Conflict, Forbidden

KEY = ("default", "hello")


class Held:
    """One Route, and nobody who is told of it."""

    client = None

    def on(self, kind, handler):
        """Nothing changes here."""

    def get(self, kind, key):
        return {"metadata": {"namespace": key[0], "name": key[1]}}


class Failing(Loop):
    resource = resources.ROUTES

    def __init__(self, error):
        super().__init__(Held())
        self.error = error
        self.told = []

    def tell(self, item, events):
        self.told += [(item["metadata"]["name"], e.kind, e.reason, e.message) for e in events]

    async def reconcile(self, item):
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ReconcileError('service: "a" does not own route: "a"'), 'service: "a" does not own route: "a"'),
        (Forbidden(403, "Forbidden", "exceeded quota"), "exceeded quota"),
        (ApiError(500, "InternalError", "failed calling webhook"), "failed calling webhook"),
        (Conflict(409, "Conflict", "the object has been modified"), None),
        (ApiError(429, "TooManyRequests", "later"), None),
        (ApiError(503, "ServiceUnavailable", "later"), None),
        (TimeoutError(), None),
    ],
)
def test_what_is_told_and_what_only_comes_again(error, words):
    loop = Failing(error)
    with pytest.raises(type(error)):
        asyncio.run(loop._look(KEY))
    assert loop.told == ([("hello", "Warning", "InternalError", words)] if words else [])
