"""What outsiders are shown: tables of figures, a report made of them, and the compliance page of a provider.

Figures, times and names of clauses; never what anybody wrote, and never who they are.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from parley.safety.notices.views import Outcome

Cell = str | int | float | None
"""A figure or a word; None: there is none. A suppressed figure is the text `<5` (or whatever the limit is)."""

Kind = Literal["text", "count", "percent", "hours", "day"]


class Column(msgspec.Struct, frozen=True):
    """One column. `percent` holds shares from 0 to 1, `hours` hours."""

    key: str
    title: str
    kind: Kind = "count"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a report. `bars` names the columns that its plot stacks, `size` the column that says how many the
    other figures of a row are about: where that is too few, the whole row is suppressed."""

    key: str
    title: str
    note: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bars: tuple[str, ...] = ()
    size: str = ""


class LogHead(msgspec.Struct, frozen=True):
    """The newest entry of the moderation log. A later export of the log must hold it at its place (`seq`)."""

    seq: int
    hash: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A transparency report. Days are UTC; the period includes both of them."""

    format: int = 1
    instance: str
    domain: str
    from_day: date
    until_day: date
    made_at: datetime
    policy: str
    policy_sha256: str
    suppressed_below: int
    """Rows about fewer than this are not shown as figures; 0: everything is."""
    log: LogHead
    tables: tuple[Table, ...]


class PublishedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it was published. `contents` is what the hash and the signature are of, byte for byte."""

    id: int
    from_day: date
    until_day: date
    contents: bytes
    sha256: str
    signature: bytes
    key_fingerprint: str
    corrects_id: int | None
    corrected_by_id: int | None
    published_at: datetime


class UrlLine(msgspec.Struct, frozen=True, kw_only=True):
    """One URL of a notice: what we did about it, when and under which rule. A time is None where nothing happened."""

    url: str
    outcome: Outcome
    clause: str | None
    clause_title: str
    first_action_at: datetime | None
    hours: float | None
    """From receipt to the first action."""
    decided_at: datetime | None
    reasons: str
    """Why it was kept or put back; empty otherwise."""
    like_it: int
    """How many other posts that say the same were found."""
    like_it_acted: int
    """About how many of them something was done."""
    in_time: bool | None
    """Whether something was done, or found not to be needed, before it was due; None: it is not due yet."""


class NoticeLines(msgspec.Struct, frozen=True, kw_only=True):
    """One notice of a provider, with each URL that it named."""

    id: str
    reference: str
    channel: str
    received_at: datetime
    acknowledged_at: datetime | None
    first_action_at: datetime | None
    resolved_at: datetime | None
    answered_at: datetime | None
    """When the signed answer was given."""
    due_at: datetime | None
    breached: bool
    waits_since: datetime | None = None
    """When you were asked for facts without which we do not decide; None: nothing is asked."""
    stood_still_hours: float = 0.0
    """For how long the clock of the decision stood still altogether because we had asked you; `due_at` moved so far."""
    lines: tuple[UrlLine, ...]


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits at a moment."""

    open: int
    by_severity: tuple[int, int, int, int]
    overdue: int
    oldest_at: datetime | None


class Day(msgspec.Struct, frozen=True):
    """One day (UTC): cases that were opened and closed, and how many were open at its end."""

    day: date
    opened: int
    closed: int
    open: int


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in hours; None: there was none."""

    key: str
    title: str
    count: int
    median: float | None
    p95: float | None
    breached: int


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that was not kept."""

    reference: str
    what: str
    due_at: datetime
    ended_at: datetime | None


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """All of one provider's compliance page."""

    format: int = 1
    instance: str
    domain: str
    provider: str
    made_at: datetime
    since: datetime | None
    """When the provider's first notice came."""
    policy: str
    urls: int
    answered: int
    """About how many something was done, or found not to be needed."""
    in_time: int
    late: int
    """About how many nothing was done before it was due; some may be answered by now."""
    outcomes: tuple[tuple[str, int], ...]
    like_it: int
    """How many other posts that say the same were found."""
    like_it_acted: int
    swept: int
    """How many posts sweeps over history took down under the clauses of these notices since the first of them."""
    timings: tuple[Timing, ...]
    breaches: tuple[Breach, ...]
    backlog: Backlog
    days: tuple[Day, ...]
    notices: tuple[NoticeLines, ...]
    older: int
    """Notices that are not listed, because they are too many; their figures are in the sums above."""
    log: LogHead


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes with a detached Ed25519 signature (64 bytes)."""

    contents: bytes
    sha256: str
    signature: bytes
    key: str
    """The public key, PEM."""
    fingerprint: str
