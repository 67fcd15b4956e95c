"""What a status may be: pure checks of what an author sends, before anything is stored. No database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from parley.kit.cleaning import clean_text
from parley.kit.errors import Invalid
from parley.kit.html import Entities, find_entities
from parley.kit.settings import Settings
from parley.social.statuses.text import LANGUAGE, count_characters
from parley.social.statuses.views import NewPoll

VISIBILITIES = ("public", "unlisted", "private", "direct")
QUOTE_POLICIES = ("public", "followers", "nobody")
CONTENT_TYPES = ("text/plain", "text/markdown")
MOST_MEDIA = 4
MOST_OPTIONS = 8
LONGEST_OPTION = 50
SHORTEST_POLL = timedelta(minutes=5)
LONGEST_POLL = timedelta(days=31)
SHORTEST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=366)
MOST_SCHEDULED = 300
MOST_PINS = 5
LONGEST_KEY = 200


class Words(msgspec.Struct, frozen=True):
    """The texts of a status, cleaned and checked."""

    found: Entities
    spoiler_text: str

    @property
    def text(self) -> str:
        """The main text."""
        return self.found.text


def check_words(settings: Settings, text: str, spoiler_text: str, *, alone: bool) -> Words:
    """Clean the texts; raises Invalid when they are too long, or empty while nothing else is sent (`alone`)."""
    # What counts least for its length is a link. Beyond this no text can be short enough, and none is looked through.
    if len(text) + len(spoiler_text) > settings.max_characters * 100:
        raise Invalid(f"Validation failed: Text is too long: the limit is {settings.max_characters} characters.")
    found = find_entities(clean_text(text).strip())
    spoiler = " ".join(clean_text(spoiler_text).split())
    if alone and not found.text and not spoiler:
        raise Invalid("Validation failed: Text can't be blank: write something, or add media or a poll.")
    length = count_characters(found) + len(spoiler)
    if length > settings.max_characters:
        raise Invalid(
            f"Validation failed: Text is too long: it has {length} characters, the limit is {settings.max_characters}."
        )
    return Words(found, spoiler)


def check_choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """`value`, if it is one of `allowed`; raises Invalid otherwise."""
    if value not in allowed:
        raise Invalid(f"Validation failed: {name} must be one of {', '.join(allowed)}.")
    return value


def check_language(language: str | None) -> str | None:
    """A language code in the form that is stored, None for none; raises Invalid for what is not a code."""
    if not language:
        return None
    if not LANGUAGE.fullmatch(language):
        raise Invalid("Validation failed: Language must be a code such as en, de or pt-BR.")
    return language


def check_media_ids(media_ids: Sequence[int], *, has_poll: bool) -> list[int]:
    """Each attachment once; raises Invalid for too many, or for media beside a poll."""
    unique = list(dict.fromkeys(media_ids))
    if len(unique) > MOST_MEDIA:
        raise Invalid(f"Validation failed: A post can hold at most {MOST_MEDIA} media attachments.")
    if unique and has_poll:
        raise Invalid("Validation failed: A post can hold media or a poll, not both.")
    return unique


def check_poll(poll: NewPoll) -> NewPoll:
    """The poll with its options cleaned; raises Invalid."""
    if len(poll.options) > 10 * MOST_OPTIONS or sum(map(len, poll.options)) > 100 * MOST_OPTIONS * LONGEST_OPTION:
        raise Invalid(f"Validation failed: A poll can have at most {MOST_OPTIONS} options.")
    options = tuple(option for text in poll.options if (option := " ".join(clean_text(text).split())))
    if len(options) < 2:
        raise Invalid("Validation failed: A poll must have at least 2 options.")
    if len(options) > MOST_OPTIONS:
        raise Invalid(f"Validation failed: A poll can have at most {MOST_OPTIONS} options.")
    if any(len(option) > LONGEST_OPTION for option in options):
        raise Invalid(f"Validation failed: An option of a poll can have at most {LONGEST_OPTION} characters.")
    if len(set(options)) != len(options):
        raise Invalid("Validation failed: The options of a poll must differ from each other.")
    check_poll_time(poll.expires_in)
    return msgspec.structs.replace(poll, options=options)


def check_poll_time(expires_in: int) -> timedelta:
    """How long a poll runs; raises Invalid outside of 5 minutes to 31 days."""
    if not SHORTEST_POLL.total_seconds() <= expires_in <= LONGEST_POLL.total_seconds():
        raise Invalid("Validation failed: A poll must run for at least 5 minutes and at most 31 days.")
    return timedelta(seconds=expires_in)


def check_schedule(scheduled_at: datetime, moment: datetime) -> datetime:
    """A time that is far enough ahead; raises Invalid."""
    if scheduled_at.tzinfo is None:
        raise Invalid("Validation failed: Scheduled at must name a time zone, such as 2030-01-31T12:00:00Z.")
    if scheduled_at < moment + SHORTEST_WAIT:
        raise Invalid("Validation failed: Scheduled at must be at least 5 minutes in the future.")
    if scheduled_at > moment + LONGEST_WAIT:
        raise Invalid("Validation failed: Scheduled at must be within a year from now.")
    return scheduled_at


def check_key(key: str | None) -> str | None:
    """An Idempotency-Key, None for none; raises Invalid for one that is too long."""
    if not key:
        return None
    if len(key) > LONGEST_KEY or not _PRINTABLE.fullmatch(key):
        raise Invalid(f"Idempotency-Key must be at most {LONGEST_KEY} printable characters.")
    return key


_PRINTABLE = re.compile(r"[\x20-\x7e]+")
