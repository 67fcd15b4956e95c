"""Who acts, upon what: the words in which the moderation log speaks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.social.accounts.views import Viewer

ActorType = Literal["human", "rule", "system", "provider", "member", "public"]
SubjectType = Literal["account", "status", "media", "profile", "conversation"]


class Actor(msgspec.Struct, frozen=True):
    """Who did it. `human` is staff, `member` somebody who reports or appeals, `provider` a host or an app store,
    `public` somebody without an account; `rule` and `system` are the program, `name` says which part of it."""

    type: ActorType
    id: int | None = None
    name: str = ""


def human(viewer: Viewer) -> Actor:
    """A member of the staff."""
    return Actor("human", viewer.account_id, viewer.username)


def member(viewer: Viewer) -> Actor:
    """Somebody who reports, appeals, or serves on a jury."""
    return Actor("member", viewer.account_id)


def system(name: str) -> Actor:
    """A part of the program, such as `clocks` or `sweeps`."""
    return Actor("system", None, name)


class Subject(msgspec.Struct, frozen=True):
    """What it is about. For an account and for a profile, `id` is the account's."""

    type: SubjectType
    id: int
    revision: int | None = None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log, as staff read it."""

    id: int
    seq: int
    type: str
    at: datetime
    actor: Actor
    case_id: int | None
    subject: Subject | None
    payload: dict[str, Any]
