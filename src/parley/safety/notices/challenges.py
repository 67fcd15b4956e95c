"""Proof of work for forms that need no account, by ALTCHA (https://altcha.org/docs/v2/proof-of-work/): no captcha,
no third party, nothing kept of the visitor. Challenges are signed by us, end, and are good once.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings
from parley.safety.notices import store

MOST = 100_000
"""The number that is looked for is below it: about a second of a phone's time."""

FACTOR = 4
"""By so much the work grows with each step of the load."""

GOOD_FOR = timedelta(hours=3)
"""Writing a notice takes a while."""

LONGEST = 4000


def make_challenge(settings: Settings, load: int = 0) -> dict[str, Any]:
    """A challenge for the visitor's browser, in ALTCHA's JSON (version 1). The work grows with the `load` (from 0)."""
    from altcha.v1 import ChallengeOptions, create_challenge

    options = ChallengeOptions(
        hmac_key=_key(settings),
        max_number=MOST * FACTOR**load,
        expires=now() + GOOD_FOR,
        params={"load": str(load)},
    )
    made: dict[str, Any] = create_challenge(options).to_dict()
    return made


async def use_solution(tx: Tx, settings: Settings, solution: str, load: int = 0) -> None:
    """Accept a solution, once. One that was easier by two steps than it is now is too easy: nobody keeps a store of
    them. Raises Invalid with what to do."""
    from altcha.v1 import verify_solution

    payload = _read(solution)
    right = False
    if payload is not None:
        right, _ = verify_solution(payload, _key(settings), check_expires=True)
    if not right or payload is None:
        raise Invalid(
            "The proof of work is missing, wrong or too old. Load the form again and wait until it says that it is "
            "ready."
        )
    if _load_of(payload["salt"]) < load - 1:
        raise Invalid("Very many notices come in just now, so a little more work is needed: wait until it is done.")
    if not await store.insert_challenge(tx, str(payload["challenge"]), now()):
        raise Invalid("This form was sent already. Load it again if you want to send another notice.")


def _read(solution: str) -> Any:
    if not solution or len(solution) > LONGEST:
        return None
    try:
        payload = msgspec.json.decode(base64.b64decode(solution, validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    wanted = {"algorithm": str, "challenge": str, "number": int, "salt": str, "signature": str}
    if not isinstance(payload, dict) or any(type(payload.get(name)) is not kind for name, kind in wanted.items()):
        return None
    return payload if payload["algorithm"] == "SHA-256" and "expires=" in payload["salt"] else None


def _load_of(salt: str) -> int:
    """The load for which a challenge was made; the salt is signed with it."""
    said = parse_qs(salt.partition("?")[2]).get("load", ["0"])[0]
    return int(said) if said.isascii() and said.isdigit() and len(said) < 3 else 0


def _key(settings: Settings) -> str:
    return keyed_hash(settings, "altcha", purpose="proof of work")
