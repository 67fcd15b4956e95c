"""What is judged: the content of one revision, and the facts about its author and setting.

Plain frozen data with defaults, so that later signals can ask for more without a change in any caller.
This file must not measure, decide or read anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

Kind = Literal["status", "poll", "media", "profile", "message"]
Trust = Literal["new", "known", "trusted", "staff"]

TRUST_LEVELS: tuple[Trust, ...] = ("new", "known", "trusted", "staff")
KINDS: tuple[Kind, ...] = ("status", "poll", "media", "profile", "message")
STAFF_ROLES = frozenset({"owner", "admin", "moderator"})
MEDIA_TIERS = ("quarantine", "reject", "hold", "flag")
"""What a bank of hashes asks for, the gravest first."""


class MediaMatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of a bank of hashes that was found in a file.

    `kind` is pdq, frame, md5, sha1, sha256 or audio. `distance` counts the bits of 256 that differ, `form` says in
    words how the file was turned and `part` which part of the known picture it is; `share` is that of the frames.
    `place` is where the file stands: `media_1`, `avatar`, `header`. `background` entries never decide.
    """

    bank: str
    entry: int
    tier: str
    clause: str
    kind: str
    distance: int = 0
    form: str = ""
    part: str = ""
    share: float = 1.0
    place: str = "file"
    background: bool = False


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One revision of something that a person wrote, before anyone else sees it.

    `texts` maps a field's name to its plain text (no HTML): `text`, `spoiler_text`, `poll_option_1`,
    `description` (of media), `display_name`, `note`, `field_1_name`, `field_1_value` and so on.
    `links` are the absolute URLs that the author wrote; links that stand bare in a text are found as well.
    `media_types` are MIME types, one for each attachment, as far as they are known. `media_matches` is what banks of
    hashes know of the files; `media_waiting` counts those that nobody has looked at yet. `resolved_links` are the URLs
    to which shortened links led, as far as they were followed.
    """

    kind: Kind
    texts: dict[str, str] = {}
    links: tuple[str, ...] = ()
    mentions_count: int = 0
    tags: tuple[str, ...] = ()
    media_count: int = 0
    media_types: tuple[str, ...] = ()
    language: str | None = None
    has_poll: bool = False
    sensitive: bool = False
    media_matches: tuple[MediaMatch, ...] = ()
    media_waiting: int = 0
    resolved_links: tuple[str, ...] = ()


class Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server knows about the author and the setting at the moment of judging.

    The defaults describe a stranger: a caller that leaves a fact out gets the more careful verdict.
    `account_age_days` is counted since sign-up, or since this server first saw a remote account.
    `published_statuses` counts what this server has published of the author. `trust` is derived from the
    other facts by the policy's thresholds (`trust_level`) unless it is given here. `domain` is the home of a
    remote author, None for a local one. `first_contact` says that somebody is addressed whom the author
    has never exchanged posts with. `strikes` counts active strikes. What the others mean is said by the signals that
    show them (context_signals.py); each is counted up to a limit, and none is asked for when it cannot matter.
    `capped_rules` are the rules that acted too often within the hour.
    """

    now: datetime
    account_age_days: float = 0.0
    published_statuses: int = 0
    role: str = "member"
    trust: Trust | None = None
    local: bool = True
    domain: str | None = None
    visibility: str = "public"
    is_edit: bool = False
    is_reply: bool = False
    first_contact: bool = False
    followers: int = 0
    following: int = 0
    strikes: int = 0
    posts_last_hour: int = 0
    posts_ten_minutes: int = 0
    published_month: int = 0
    held_month: int = 0
    removed_month: int = 0
    refused_month: int = 0
    refused_hour: int = 0
    reporters_week: int = 0
    cluster_size: int = 1
    linked_banned: int = 0
    people_hour: int = 0
    strangers: int = 0
    unanswered: int = 0
    strangers_at_target_hour: int = 0
    reply_depth: int = 0
    thread_posts: int = 0
    thread_people: int = 0
    copies_hour_accounts: int = 0
    copies_hour_own: int = 0
    copies_removed: int = 0
    copies_removed_clause: str = ""
    capped_rules: tuple[str, ...] = ()
