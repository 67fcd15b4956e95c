"""What this room's reads return, and who may act."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.screening.extending import BankItem


class Staff(msgspec.Struct, frozen=True):
    """Who acts: a member of the staff, with the name and role that they have now. The door looks them up."""

    account_id: int
    username: str
    role: str

    @property
    def is_admin(self) -> bool:
        """Whether they may make a policy live."""
        return self.role in ("admin", "owner")

    @property
    def is_staff(self) -> bool:
        """Whether they are of the staff at all."""
        return self.role in ("moderator", "admin", "owner")


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the policy. `live` is the one that judges now; `activated_at` when it last became so."""

    sha256: str
    name: str
    version: str
    source: str
    proposed_by: str
    note: str
    created_at: datetime
    approved_by: tuple[str, ...] = ()
    backtests: int = 0
    activated_at: datetime | None = None
    live: bool = False


class BacktestView(msgspec.Struct, frozen=True):
    """What a version would have done: of `judged` posts it would have newly stopped `stopped`."""

    backtest_id: int
    against: str
    judged: int
    stopped: int


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the live policy and what it did: `fired` and `acted` in the last 24 hours, `this_hour` acted."""

    id: str
    title: str
    state: str
    outcome: str
    clause: str
    cap_per_hour: int
    over_cap: str
    expires: datetime | None
    fired: int
    acted: int
    this_hour: int
    capped: bool


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What an import does (or, dry, would do) to a bank. `revision` is None when nothing changes. `needs_second`: it is
    too large for one person; then it waits as `draft`, and nothing of it is looked for yet."""

    rows: int
    added: int
    changed: int
    unchanged: int
    removed: int
    revision: int | None = None
    needs_second: bool = False
    draft: int | None = None


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to keep: what is looked for, and where it comes from."""

    item: BankItem
    note: str = ""
    source: str = ""
    extra: dict[str, Any] = {}


class EntryView(msgspec.Struct, frozen=True):
    """One entry with where it comes from."""

    id: int
    item: BankItem
    note: str
    source: str
    extra: dict[str, Any]
    created_by: int | None
    created_at: datetime
