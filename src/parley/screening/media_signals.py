"""Signals of media: files that are known from banks of hashes, however they were turned, shrunk or cut.

What was found comes with the content: files are hashed and looked up where they are decoded, long before a revision is
judged. This file must not decide what a match leads to.
"""

from __future__ import annotations

from dataclasses import replace

from parley.screening.content import MEDIA_TIERS, Content, MediaMatch
from parley.screening.rules import FieldType
from parley.screening.signal import Frame, Measured, Signal
from parley.screening.verdict import Match, Outcome, SignalValue, Verdict

_EXACT = frozenset({"md5", "sha1", "sha256", "audio"})
NOTHING_NEAR = 256
"""`media.nearest` when nothing was found: the most bits that can differ."""


def measure_media(frame: Frame) -> Measured:
    """What the banks know of the attachments, by tier, and how many files nobody has looked at yet."""
    found = frame.content.media_matches
    live = [match for match in found if not match.background]
    values: dict[str, SignalValue] = {
        "media.matches": len(live),
        "media.banks": sorted({match.bank for match in live}),
        "media.nearest": min((match.distance for match in live), default=NOTHING_NEAR),
        "media.waiting": max(frame.content.media_waiting, 0),
    }
    for tier in MEDIA_TIERS:
        of_tier = [match for match in live if match.tier == tier]
        values[f"media.{tier}.count"] = len(of_tier)
        values[f"media.{tier}.clauses"] = sorted({match.clause for match in of_tier})
        values[f"media.{tier}.entries"] = sorted({f"{match.bank}/{match.entry}" for match in of_tier})
    return Measured(values, tuple(map(_as_match, found)))


def _as_match(found: MediaMatch) -> Match:
    return Match(
        signal="media",
        bank="media",
        entry=f"{found.bank}/{found.entry}",
        tier=found.tier,
        clause=found.clause,
        field=found.place,
        quote=describe_likeness(found),
        disguised=bool(found.form or found.part or found.distance),
        background=found.background,
    )


def describe_likeness(found: MediaMatch) -> str:
    """In words, how a file is like the known one."""
    if found.kind == "audio":
        return "the very same sound"
    if found.kind in _EXACT:
        return "the very same file"
    turned = f", {found.form}" if found.form else ""
    part = f", {found.part}" if found.part else ""
    share = f", {found.share:.0%} of the frames" if found.kind == "frame" else ""
    return f"{found.distance} of 256 bits differ{turned}{part}{share}"


def wait_for_media(verdict: Verdict, content: Content) -> Verdict:
    """The verdict of a revision with files that nobody has looked at yet: held until they are judged.

    No rule and no fail mode lets such a revision through; a stronger verdict stays as it is.
    """
    if not content.media_waiting or not verdict.outcome.published:
        return verdict
    return replace(verdict, outcome=Outcome.HOLD, sentence=WAITING, because=(*verdict.because, BECAUSE_WAITING))


def is_waiting(verdict: Verdict) -> bool:
    """Whether the revision is held only until its files are judged."""
    return verdict.because[-1:] == (BECAUSE_WAITING,)


WAITING = "This is visible only to you until its files have been checked, usually within seconds."
BECAUSE_WAITING = "Its files have not been looked at yet. It is judged again as soon as they are."

_FIELDS: dict[str, FieldType] = {
    "media.matches": "int",
    "media.banks": "list",
    "media.nearest": "int",
    "media.waiting": "int",
}
for _tier in MEDIA_TIERS:
    _FIELDS |= {f"media.{_tier}.count": "int", f"media.{_tier}.clauses": "list", f"media.{_tier}.entries": "list"}

MEDIA_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "media",
        1,
        "Files known from banks of hashes (PDQ, frames of videos, MD5, SHA). They are hashed and looked up when they "
        "are uploaded, not here.",
        _FIELDS,
        measure_media,
        cost_us=10,
    ),
)
