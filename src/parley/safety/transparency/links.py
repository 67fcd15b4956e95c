"""The unguessable address of a provider's compliance page: made from the id of its row with the instance's key.

Nothing of an address is stored, so that a stolen database leads to no page, and one that was given out can be shown
again to the operator. Pure; whether an address is live is for the reads.
"""

from __future__ import annotations

import hmac
import re

from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings

_TOKEN = re.compile(r"[0-9a-f]{64}")
_MAC = 48
"""Hexadecimal digits: 192 bits."""


def make_token(settings: Settings, token_id: int) -> str:
    """The secret part of the address."""
    return f"{token_id:016x}{keyed_hash(settings, str(token_id), purpose='compliance page')[:_MAC]}"


def read_token(settings: Settings, token: str) -> int | None:
    """The id that a token was made from; None for anything that we did not make."""
    if not _TOKEN.fullmatch(token):
        return None
    token_id = int(token[:16], 16)
    return token_id if hmac.compare_digest(token, make_token(settings, token_id)) else None


def compliance_address(settings: Settings, token_id: int) -> str:
    """The whole address."""
    return f"{settings.base_url}/compliance/{make_token(settings, token_id)}"
