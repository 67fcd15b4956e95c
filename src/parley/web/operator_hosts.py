"""The hosts of the instance on the operator's page: who serves, who follows and how closely, and what asks for a look.

Words and figures only; what they are about is found by hosting/standby/overview.py.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from parley.hosting.hosts.views import HostStatus, MediaStatus
from parley.hosting.records import RecordRow
from parley.hosting.standby.overview import HostSeen, Overview
from parley.kit.clock import now
from parley.web.filters import ahead

FAR_BYTES = 64 * 2**20
FAR_SECONDS = 10.0
"""A standby that is further behind than these is shown as a problem."""

ENDS_SOON = timedelta(days=21)
LOW_DISK = 2 * 2**30

ROLES = {"primary": "serves", "standby": "follows", "fenced": "has stopped", "away": "hands on"}
DONE = {
    "snapshot": "Last snapshot",
    "drill": "Last drill",
    "move": "Last planned move",
    "failover": "Last failover",
    "standby": "Standby",
    "degraded": "Alone or together again",
    "restored": "Restored",
}


class Fact(msgspec.Struct, frozen=True):
    """One line of a host's card; `bad`: it asks for a look."""

    title: str
    value: str
    note: str = ""
    bad: bool = False


class HostCard(msgspec.Struct, frozen=True, kw_only=True):
    """One host."""

    name: str
    here: bool
    word: str
    """What it does, in one or two words."""
    kind: str
    """live, quiet or warn: how the word is shown."""
    facts: tuple[Fact, ...]
    problems: tuple[str, ...]


class HostsPanel(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, with one sentence that says whether anybody needs to look."""

    well: bool
    sentence: str
    cards: tuple[HostCard, ...]
    domain: str
    domain_ok: bool | None


class DoneLine(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done about the host, and how it went."""

    title: str
    row: RecordRow
    said: str


def hosts_panel(overview: Overview) -> HostsPanel:
    """What the page shows of all hosts."""
    cards = tuple(_card(seen, overview) for seen in overview.hosts)
    primary = overview.primary
    troubled = [card.name for card in cards if card.problems or card.kind == "warn"]
    well = primary is not None and not troubled and overview.name.right is not False
    return HostsPanel(
        well=well,
        sentence=_sentence(overview, primary, troubled),
        cards=cards,
        domain=overview.name.said,
        domain_ok=overview.name.right,
    )


def _sentence(overview: Overview, primary: HostSeen | None, troubled: list[str]) -> str:
    if primary is None or primary.status is None:
        return "No host says that it serves. `parley host list` on each of them shows more."
    standbys = [one for one in overview.hosts if one.status is not None and one.status.role == "standby"]
    if not standbys:
        alone = f"{primary.record.name} serves, and no other host could take over"
        return (
            f"{alone}." if len(overview.hosts) > 1 else f"{alone}: docs/operators/two-hosts.md says how one is added."
        )
    if troubled:
        return f"{primary.record.name} serves. Look at {' and '.join(troubled)}."
    if overview.name.right is False:
        return f"{primary.record.name} serves, but the domain points elsewhere."
    status = primary.status
    names = " and ".join(one.record.name for one in standbys)
    if status.commits == "sync" and status.degraded_since is None:
        return f"{primary.record.name} serves, and {names} has everything that was ever acknowledged."
    return f"{primary.record.name} serves, and {names} follows a moment behind."


def _card(seen: HostSeen, overview: Overview) -> HostCard:
    name, status = seen.record.name, seen.status
    if status is None:
        return HostCard(
            name=name,
            here=name == overview.me,
            word="does not answer",
            kind="warn",
            facts=(*_behind(seen), Fact("Link", seen.record.link)),
            problems=(seen.error,),
        )
    word = ROLES[status.role] + (f" {status.to}" if status.role == "standby" and status.to else "")
    kind = {"primary": "live", "standby": "quiet"}.get(status.role, "warn")
    if status.role == "away":
        word, kind = f"hands on to {status.to}", "quiet"
    facts = [*(_serving(status) if status.role == "primary" else _behind(seen)), *_small(status)]
    return HostCard(
        name=name,
        here=name == overview.me,
        word=word,
        kind=kind,
        facts=tuple(facts),
        problems=status.problems,
    )


def _serving(status: HostStatus) -> list[Fact]:
    if status.degraded_since is not None:
        waits = Fact("Writes", "wait for nobody", "they should", bad=True)
    elif status.commits == "sync":
        waits = Fact("Writes", "wait for the standby")
    else:
        waits = Fact("Writes", "wait for nobody", "by choice")
    gate = Fact("Gate", status.gate, f"epoch {status.epoch}", bad=status.gate != "open")
    return [waits, gate]


def _behind(seen: HostSeen) -> list[Fact]:
    facts = []
    if seen.database is not None:
        count, seconds = seen.database
        far = count > FAR_BYTES or (count > 0 and seconds > FAR_SECONDS)
        facts.append(
            Fact("Database", "up to date" if not count else f"{size(count)} behind", _age(count, seconds), far)
        )
    elif seen.status is not None and seen.status.role == "standby":
        facts.append(Fact("Database", "not known", bad=True))
    if seen.media is not None:
        facts.append(_files(seen.media))
    return facts


def _files(media: MediaStatus) -> Fact:
    if media.failed:
        return Fact("Files", f"{media.failed:,} failed", "they are tried again", bad=True)
    if not media.backlog_files:
        return Fact("Files", "up to date")
    missing = f"{media.backlog_files:,} missing"
    note = f"{size(media.backlog_bytes)}, {_age(1, media.behind_seconds)}"
    return Fact("Files", missing, note, bad=media.behind_seconds > 60)


def _small(status: HostStatus) -> list[Fact]:
    ends = status.certificate_until - now()
    return [
        Fact("Web", "answers" if status.web_ok else "does not answer", bad=not status.web_ok),
        Fact("Disk", f"{size(status.free_bytes)} free", bad=status.free_bytes < LOW_DISK),
        Fact("Certificate", f"ends {ahead(status.certificate_until)}", bad=ends < ENDS_SOON),
    ]


def _age(count: int, seconds: float) -> str:
    if not count:
        return ""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def size(count: float) -> str:
    """Bytes for people: 512 B, 3.4 MiB."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    place = 0
    while count >= 1024 and place < len(units) - 1:
        count, place = count / 1024, place + 1
    return f"{count:,.0f} {units[place]}" if count >= 100 or not place else f"{count:.1f} {units[place]}"


def done_lines(rows: list[RecordRow]) -> list[DoneLine]:
    """What was done about the host, as sentences."""
    return [DoneLine(title=DONE.get(row.kind, row.kind), row=row, said=_said(row)) for row in rows]


def _said(row: RecordRow) -> str:
    detail = row.detail
    if not row.ok and detail.get("error"):
        return str(detail["error"])
    if "snapshot" in detail and "rows" in detail:
        return f"{detail['snapshot']}, {detail['rows']:,} rows, {detail.get('files', 0):,} files"
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if isinstance(value, str | int | float)
    )
