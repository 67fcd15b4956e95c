"""Which usernames members may take. Pure: no query."""

from __future__ import annotations

import re

from parley.kit.errors import Invalid

LONGEST_USERNAME = 30
_USERNAME = re.compile(r"[a-z0-9_]+")

_POWERS_AND_PAGES = """
    abuse account accounts actor admin administrator all anonymous api app apps auth bot channel
    contact deleted everyone following followers followed ftp god help here hostmaster imap info
    instance legal list localhost login logout mail mailer_daemon me media mod moderation moderator
    moderators mods myself news nobody none noreply no_reply notice notices null oauth official
    operator owner parley password pop postmaster press privacy register report reports root safety
    search security settings sign_in sign_out sign_up signin signout signup smtp staff status
    statuses support sysadmin sysop system tag tags team terms test_account tos trust undefined
    unknown user username users usenet uucp verified verify void webmaster web well_known www you
"""
RESERVED = frozenset(_POWERS_AND_PAGES.split())
"""Names that would pass for somebody with power, or for a page of ours."""


def check_username(username: str, *, may_be_reserved: bool = False) -> str:
    """The name in lower case; raises Invalid (with Mastodon's error codes) for one that cannot be taken."""
    name = username.strip().removeprefix("@").lower()
    if not name:
        raise Invalid(fields={"username": [("ERR_BLANK", "can't be blank")]})
    if not _USERNAME.fullmatch(name):
        raise Invalid(
            fields={"username": [("ERR_INVALID", "must contain only letters a to z, numbers and underscores")]}
        )
    if len(name) > LONGEST_USERNAME:
        raise Invalid(
            fields={"username": [("ERR_TOO_LONG", f"is too long (maximum is {LONGEST_USERNAME} characters)")]}
        )
    if not may_be_reserved and (name in RESERVED or name.strip("_") in RESERVED):
        raise Invalid(fields={"username": [("ERR_RESERVED", "is reserved; please choose another")]})
    return name
