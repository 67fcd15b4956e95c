"""Signals of form: what kind of revision it is, who wrote it, and what its text looks like.

This file must not look at what the words mean.
"""

from __future__ import annotations

from parley.screening.normalise import count_stacked_marks
from parley.screening.signal import Frame, Measured, Signal


def measure_content(frame: Frame) -> Measured:
    """The form of the revision: its kind, its setting and how much of what is in it."""
    content, facts = frame.content, frame.facts
    return Measured(
        {
            "content.kind": content.kind,
            "content.visibility": facts.visibility,
            "content.language": content.language or "",
            "content.mentions": max(content.mentions_count, 0),
            "content.tags": len(content.tags),
            "content.media": max(content.media_count, 0),
            "content.has_poll": content.has_poll,
            "content.sensitive": content.sensitive,
            "content.is_edit": facts.is_edit,
            "content.is_reply": facts.is_reply,
        }
    )


def measure_account(frame: Frame) -> Measured:
    """Who the author is: age, history, standing."""
    facts = frame.facts
    return Measured(
        {
            "account.age_hours": int(max(facts.account_age_days, 0.0) * 24),
            "account.age_days": int(max(facts.account_age_days, 0.0)),
            "account.published": max(facts.published_statuses, 0),
            "account.trust": frame.trust,
            "account.role": facts.role,
            "account.local": facts.local,
            "account.domain": facts.domain or "",
            "account.followers": max(facts.followers, 0),
            "account.following": max(facts.following, 0),
            "account.strikes": max(facts.strikes, 0),
            "account.posts_last_hour": max(facts.posts_last_hour, 0),
            "account.first_contact": facts.first_contact,
        }
    )


def measure_text(frame: Frame) -> Measured:
    """The shape of the words: length, capitals, repetition, stacked marks."""
    letters = capitals = characters = marks = 0
    words: list[str] = []
    for text in frame.texts.values():
        characters += len(text)
        marks += count_stacked_marks(text)
        letters += sum(map(str.isalpha, text))
        capitals += sum(map(str.isupper, text))
        words += text.split()
    return Measured(
        {
            "text.characters": characters,
            "text.words": len(words),
            "text.capitals_percent": round(100 * capitals / letters) if letters else 0,
            "text.repeated_percent": round(100 * (1 - len(set(words)) / len(words))) if words else 0,
            "text.stacked_marks": marks,
        }
    )


FORM_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "content",
        1,
        "The form of the post: its kind, visibility, mentions, hashtags, attachments.",
        {
            "content.kind": "string",
            "content.visibility": "string",
            "content.language": "string",
            "content.mentions": "int",
            "content.tags": "int",
            "content.media": "int",
            "content.has_poll": "bool",
            "content.sensitive": "bool",
            "content.is_edit": "bool",
            "content.is_reply": "bool",
        },
        measure_content,
        cost_us=3,
        says={
            "content.mentions": "people mentioned",
            "content.tags": "hashtags",
            "content.media": "files",
            "content.is_edit": "an edit",
        },
    ),
    Signal(
        "account",
        1,
        "The author: age and history of the account, trust, role, strikes, speed of posting.",
        {
            "account.age_hours": "int",
            "account.age_days": "int",
            "account.published": "int",
            "account.trust": "string",
            "account.role": "string",
            "account.local": "bool",
            "account.domain": "string",
            "account.followers": "int",
            "account.following": "int",
            "account.strikes": "int",
            "account.posts_last_hour": "int",
            "account.first_contact": "bool",
        },
        measure_account,
        cost_us=4,
        says={
            "account.age_hours": "age of the account in hours",
            "account.age_days": "age of the account in days",
            "account.published": "posts published before",
            "account.domain": "server",
            "account.followers": "followers",
            "account.strikes": "strikes that count",
            "account.posts_last_hour": "posts in the last hour",
            "account.first_contact": "somebody is addressed with whom the author never spoke",
        },
    ),
    Signal(
        "text",
        1,
        "The shape of the text: length, capitals, repetition, stacked marks.",
        {
            "text.characters": "int",
            "text.words": "int",
            "text.capitals_percent": "int",
            "text.repeated_percent": "int",
            "text.stacked_marks": "int",
        },
        measure_text,
        cost_us=30,
        says={
            "text.characters": "characters",
            "text.words": "words",
            "text.capitals_percent": "capitals in percent",
            "text.repeated_percent": "repeated words in percent",
            "text.stacked_marks": "stacked marks",
        },
    ),
)
