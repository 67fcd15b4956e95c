"""A question to somebody who must not know whom it is about: words without names."""

from __future__ import annotations

import msgspec


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one status, by what they are (`Text`, `Warning`, `Answer 1` ...), names and links of people removed.

    `has_media` and `is_public` say whether it is fit for others than the staff. `pictures` are those of its media, as
    (file that is served, description), where all of its media are pictures that everybody can see; else none.
    """

    subject_type: str
    subject_id: int
    revision: int
    words: tuple[tuple[str, str], ...]
    has_media: bool
    is_public: bool
    pictures: tuple[tuple[str, str], ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all of it can be shown to others than the staff."""
        return self.is_public and (not self.has_media or bool(self.pictures))


class GoldenCase(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its known answer."""

    id: int
    decision_id: int
    subject_type: str
    subject_id: int
    revision: int
    expected: str
    """breaks or fine"""
    clause: str | None
