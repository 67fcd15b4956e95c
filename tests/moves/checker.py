"""Was anything lost? Pure functions over what writers, readers and receivers noted, after Jepsen's set-full checker.

An element is *acknowledged* when its writer was told so, *lost* when it is acknowledged and not there at the end,
*duplicate* when it is there more than once, *stale* when a read that began after the acknowledgement did not see it
although it is there at the end, *recovered* when nobody could know and it is there.
https://github.com/jepsen-io/jepsen/blob/main/jepsen/src/jepsen/checker.clj
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

import msgspec

from tests.moves.history import REGISTERS, SETS, Delivery, Event

NO_BYTES = hashlib.sha256(b"").hexdigest()


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """What is there at the end: how often each element, how each switch stands (`writer/target`), of each upload the
    hash of its file, or a sentence with a space in it that says what is wrong, and of each writer who uploads the ids
    of all uploads that the instance holds of theirs."""

    counts: dict[str, int] = {}
    switches: dict[str, bool] = {}
    files: dict[str, str] = {}
    urls: dict[str, str] = {}
    """Of each upload whose file is served: where."""
    held: dict[str, tuple[str, ...]] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the checker found. Whatever is in `faults` must not be."""

    attempted: int
    acknowledged: int
    failed: int
    unknown: int
    recovered: int
    lost: tuple[str, ...]
    duplicates: tuple[str, ...]
    wrong_switches: tuple[str, ...]
    damaged: tuple[str, ...]
    untold: tuple[str, ...]
    """For information: uploads that the instance holds and nobody was told of, `writer/id`. An upload has no key by
    which it is known again, so one whose answer was lost is made a second time. It hangs at no post, and nobody sees
    it."""

    stale: tuple[str, ...]
    """For information: a read that was answered by a standby may be behind."""

    errors: tuple[str, ...]
    """What clients were told or met that was not an answer to their request."""

    old_epochs: tuple[str, ...]
    pause: float
    """Seconds: the longest time in which no writer was told anything, less what is usual."""

    longest_wait: float
    """Seconds that one operation took at most, all its tries together."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What breaks a promise, whatever the settings are: duplicates, damage, and an old epoch after a newer one."""
        return tuple(
            f"{what}: {', '.join(found[:10])}"
            for what, found in (
                ("lost", self.lost),
                ("duplicates", self.duplicates),
                ("wrong switches", self.wrong_switches),
                ("damaged files", self.damaged),
                ("old epochs", self.old_epochs),
            )
            if found
        )


def check(events: Sequence[Event], final: Final, deliveries: Iterable[Delivery] = ()) -> Report:
    """All of it."""
    ended = {_operation(one): one for one in events if one.type in ("ok", "fail", "unknown")}
    begun = [one for one in events if one.type == "invoke"]
    never_ended = [one for one in begun if _operation(one) not in ended]  # their writer was killed
    acknowledged = [one for one in ended.values() if one.type == "ok"]
    unknown = [*(one for one in ended.values() if one.type == "unknown"), *never_ended]
    return Report(
        attempted=len(begun),
        acknowledged=len(acknowledged),
        failed=sum(one.type == "fail" for one in ended.values()),
        unknown=len(unknown),
        recovered=sum(one.kind in ("post", "message") and one.key in final.counts for one in unknown),
        lost=lost_elements(acknowledged, final),
        duplicates=(
            *sorted(key for key, count in final.counts.items() if count > 1),
            *shared_uploads(acknowledged),
        ),
        wrong_switches=wrong_switches(begun, ended, final),
        damaged=damaged_uploads(events, final),
        untold=untold_uploads(acknowledged, final),
        stale=stale_reads(events, acknowledged, final),
        errors=tuple(_error(one) for one in events if one.type in ("try", "fail") and not one.on_purpose),
        old_epochs=old_epochs(deliveries),
        pause=pause_of(one.at for one in acknowledged),
        longest_wait=longest_wait(begun, acknowledged),
    )


def _operation(one: Event) -> tuple[str, int]:
    return one.writer, one.number


def _error(one: Event) -> str:
    return f"{one.kind} {one.key} at {one.at:.2f}: {one.status or one.error} {one.error if one.status else ''}".strip()


def lost_elements(acknowledged: Iterable[Event], final: Final) -> tuple[str, ...]:
    """Elements that were acknowledged and are not there."""
    lost = []
    for one in acknowledged:
        if one.kind == "upload":
            if one.key not in final.files or " " in final.files[one.key]:
                lost.append(f"{one.key} ({final.files.get(one.key, 'was not looked for')})")
        elif one.kind in SETS and not final.counts.get(one.key):
            lost.append(one.key)
    return tuple(sorted(lost))


def damaged_uploads(events: Iterable[Event], final: Final) -> tuple[str, ...]:
    """Uploads whose file is not the one that was served first, or is not where it was."""
    damaged = []
    for one in events:
        if one.type != "seen" or not one.sha256 or " " in (now := final.files.get(one.key, " ")):
            continue
        if now != one.sha256:
            damaged.append(f"{one.key} ({_bytes_of(one.sha256)} at first, {_bytes_of(now)} at the end)")
        elif final.urls.get(one.key, one.url) != one.url:
            damaged.append(f"{one.key} (at {one.url} at first, at {final.urls[one.key]} at the end)")
    return tuple(sorted(damaged))


def _bytes_of(digest: str) -> str:
    return "no bytes" if digest == NO_BYTES else digest[:8]


def shared_uploads(acknowledged: Iterable[Event]) -> tuple[str, ...]:
    """Uploads whose id had been given to another one."""
    first: dict[str, str] = {}
    ids = ((one.key, one.id) for one in acknowledged if one.kind == "upload")
    return tuple(sorted(f"{key} is {first[id]}" for key, id in ids if first.setdefault(id, key) != key))


def untold_uploads(acknowledged: Iterable[Event], final: Final) -> tuple[str, ...]:
    """Uploads that are held and were acknowledged to nobody."""
    told = {one.id for one in acknowledged if one.kind == "upload"}
    return tuple(sorted(f"{writer}/{id}" for writer, ids in final.held.items() for id in ids if id not in told))


def wrong_switches(begun: Iterable[Event], ended: dict[tuple[str, int], Event], final: Final) -> tuple[str, ...]:
    """Switches that stand as nothing could have left them.

    A switch has one writer, which does one thing after the other. It may stand as the last acknowledged operation left
    it, or as any later one that may have happened would have.
    """
    possible: dict[str, set[bool]] = {}
    for one in sorted(begun, key=lambda one: one.at):
        if one.kind not in REGISTERS:
            continue
        name = f"{one.writer}/{one.key}"
        end = ended.get(_operation(one))
        if end is not None and end.type == "ok":
            possible[name] = {one.value}
        elif end is None or end.type == "unknown":
            possible.setdefault(name, {False}).add(one.value)
    return tuple(
        sorted(
            name for name, values in possible.items() if name in final.switches and final.switches[name] not in values
        )
    ) + tuple(sorted(name for name in possible if name not in final.switches))


def stale_reads(events: Iterable[Event], acknowledged: Iterable[Event], final: Final) -> tuple[str, ...]:
    """Elements that a read did not see although it began after their acknowledgement, and that are there at the end."""
    known: dict[str, list[Event]] = {}
    for one in acknowledged:
        if one.kind in ("post", "message"):
            known.setdefault(one.writer, []).append(one)
    stale = set()
    for read in events:
        if read.type != "seen" or read.sha256:
            continue
        found = set(read.found)
        for one in known.get(read.writer, ()):
            covered = one.at < read.began and one.number >= read.number
            if covered and one.key not in found and final.counts.get(one.key):
                stale.add(one.key)
    return tuple(sorted(stale))


def old_epochs(deliveries: Iterable[Delivery]) -> tuple[str, ...]:
    """Deliveries with a lower epoch than one that came before; and those without one, once there was one."""
    newest: int | None = None
    found = []
    for one in sorted(deliveries, key=lambda one: one.at):
        if newest is not None and (one.epoch is None or one.epoch < newest):
            found.append(f"{one.kind} with epoch {one.epoch} after {newest} at {one.at:.2f}")
        if one.epoch is not None:
            newest = max(newest or 0, one.epoch)
    return tuple(found)


def pause_of(acknowledgements: Iterable[float]) -> float:
    """The longest gap between two acknowledgements of anybody, less the usual one (the median)."""
    times = sorted(acknowledgements)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return max(gaps) - median(gaps) if gaps else 0.0


def longest_wait(begun: Iterable[Event], acknowledged: Iterable[Event]) -> float:
    """Seconds of the slowest operation that was acknowledged."""
    starts = {_operation(one): one.at for one in begun}
    return max((one.at - starts[_operation(one)] for one in acknowledged if _operation(one) in starts), default=0.0)


def text_of(report: Report) -> str:
    """One line for people."""
    return (
        f"{report.acknowledged} acknowledged of {report.attempted}, {len(report.lost)} lost, "
        f"{len(report.duplicates)} duplicates, {len(report.errors)} errors seen, {report.unknown} unknown "
        f"({report.recovered} of them there), {len(report.untold)} uploads made again that nobody was told of, "
        f"{len(report.stale)} stale, pause {report.pause:.2f} s, "
        f"slowest {report.longest_wait:.2f} s" + "".join(f"\n  {fault}" for fault in report.faults)
    )
