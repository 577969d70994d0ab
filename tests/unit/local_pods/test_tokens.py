"""Tokens of service accounts: what they say, that they verify, and when they are renewed."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from knet.local.pods.tokens import ISSUER, Signer
from unit.local_pods.pods import pod


def part(text):
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def claims(token):
    return json.loads(part(token.split(b".")[1]))


def test_a_token_says_whose_it_is_and_verifies(tmp_path):
    token = Signer(tmp_path / "tokens.key", lambda: 1_000_000.0).token(pod(), "vault", 3600)
    found = claims(token)
    assert (found["aud"], found["iss"]) == (["vault"], ISSUER)
    assert found["sub"] == "system:serviceaccount:ns:default"
    assert found["exp"] - found["iat"] == 3600
    assert found["iat"] <= 1_000_000 < found["exp"]
    text, _, signature = token.rpartition(b".")
    load_pem_public_key((tmp_path / "tokens.pub").read_bytes()).verify(part(signature), text)
    assert (tmp_path / "tokens.key").stat().st_mode & 0o777 == 0o600


def test_it_stays_the_same_for_four_fifths_of_its_life_and_over_restarts(tmp_path):
    now = [2880.0 * 100]
    first = Signer(tmp_path / "k", lambda: now[0]).token(pod(), "", 3600)
    now[0] += 2879
    again = Signer(tmp_path / "k", lambda: now[0])
    assert again.token(pod(), "", 3600) == first
    now[0] += 1
    assert claims(again.token(pod(), "", 3600))["exp"] > claims(first)["exp"]
