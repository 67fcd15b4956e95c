"""Videos by their frames, as vPDQ has it: one frame a second is hashed with PDQ, and videos are the same when enough of
their frames are.

Pure: hashes in, shares out. Decoding and hashing of frames is done where files are decoded. The idea and the words
are vPDQ's (https://github.com/facebook/ThreatExchange/tree/main/vpdq); a picture is a video of one frame, so a still
of a known video is found, and a known picture that is shown in a video.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from parley.screening.image_hash import LEAST_QUALITY, MATCH_DISTANCE, count_differing

MOST_FRAMES = 60
"""Frames that are hashed of one video. A longer one is sampled at even distances over all of it."""
LEAST_SHARE = 0.5
"""Of the frames of one of two videos that must be in the other."""


class FrameHash(Struct, frozen=True):
    """The PDQ hash of a frame and when it is shown, in seconds."""

    bits: bytes
    quality: int
    second: float = 0.0


def sample_times(duration: float) -> list[float]:
    """When to take frames of a video that lasts `duration` seconds: each second, at most MOST_FRAMES, evenly spread."""
    if duration <= 1:
        return [0.0]
    count = min(int(duration), MOST_FRAMES)
    return [duration * at / count for at in range(count)]


def distinct_frames(frames: Iterable[FrameHash]) -> list[FrameHash]:
    """Frames that say something: detailed enough, and not the same as the one kept before.

    Black frames and long stills would otherwise decide alone whether two videos are alike.
    """
    kept: list[FrameHash] = []
    for frame in frames:
        if frame.quality < LEAST_QUALITY:
            continue
        if kept and count_differing(kept[-1].bits, frame.bits) <= MATCH_DISTANCE // 2:
            continue
        kept.append(frame)
    return kept


class Shares(Struct, frozen=True):
    """How much of two videos is the same: the share of the asked one's frames, and of the known one's."""

    asked: float
    known: float

    @property
    def alike(self) -> bool:
        """Whether one is the other, or a large part of it."""
        return max(self.asked, self.known) >= LEAST_SHARE


def share_frames(hits: Sequence[tuple[int, int]], *, asked: int, known: int) -> Shares:
    """The shares when `hits` pairs places of asked frames with places of known ones, of `asked` and `known` frames."""
    if not asked or not known:
        return Shares(0.0, 0.0)
    return Shares(len({one for one, _ in hits}) / asked, len({other for _, other in hits}) / known)
