"""Probe copies: every route twice, first for requests that ask for the hash.

facts/translation.md part 1, Common 2: all copies of a rule come before all originals; a copy matches
`K-Network-Hash: override` as well and answers with the real hash. `rows` places the copies.
"""

from __future__ import annotations

from knet.model.kingress import HASH_HEADER
from knet.routing.table import Headers


def with_hash(headers: Headers, value: str) -> Headers:
    """Matches or edits with the hash header set to `value`, over what the user wrote there."""
    if not headers:
        return ((HASH_HEADER, value),)
    return tuple(sorted({**dict(headers), HASH_HEADER: value}.items()))
