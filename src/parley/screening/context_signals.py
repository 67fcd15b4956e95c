"""Signals of context: the author's conduct, whom the post addresses, its thread, and copies of it elsewhere.

Everything is counted by the rooms and stands in the facts; this file must not look at the words.
"""

from __future__ import annotations

from parley.screening.signal import Frame, Measured, Signal
from parley.screening.verdict import Match


def measure_context(frame: Frame) -> Measured:
    """How the author has behaved, and what goes on around those who are addressed."""
    facts = frame.facts
    return Measured(
        {
            "context.posts_ten_minutes": max(facts.posts_ten_minutes, 0),
            "context.published_month": max(facts.published_month, 0),
            "context.held_month": max(facts.held_month, 0),
            "context.removed_month": max(facts.removed_month, 0),
            "context.refused_month": max(facts.refused_month, 0),
            "context.refused_hour": max(facts.refused_hour, 0),
            "context.reporters_week": max(facts.reporters_week, 0),
            "context.cluster_size": max(facts.cluster_size, 1),
            "context.linked_banned": max(facts.linked_banned, 0),
            "context.people_hour": max(facts.people_hour, 0),
            "context.strangers": max(facts.strangers, 0),
            "context.unanswered": max(facts.unanswered, 0),
            "context.strangers_at_target_hour": max(facts.strangers_at_target_hour, 0),
            "context.reply_depth": max(facts.reply_depth, 0),
            "context.thread_posts": max(facts.thread_posts, 0),
            "context.thread_people": max(facts.thread_people, 0),
        }
    )


def measure_copies(frame: Frame) -> Measured:
    """Whether the same was said before, whatever was done to hide it. A removal is a match, with the clause of then."""
    facts = frame.facts
    matches: tuple[Match, ...] = ()
    if facts.copies_removed > 0:
        field = "text" if "text" in frame.texts else next(iter(frame.texts), "text")
        said = " ".join(frame.texts.get(field, "").split())
        quote = "".join(filter(str.isprintable, said if len(said) <= 120 else said[:119] + "…"))
        clause = facts.copies_removed_clause
        matches = (
            Match(
                signal="copies",
                bank="copies",
                entry=f"removed {facts.copies_removed} times" if facts.copies_removed > 1 else "removed before",
                tier="removed",
                clause=clause,
                field=field,
                quote=quote,
            ),
        )
    return Measured(
        {
            "copies.seen_hour_accounts": max(facts.copies_hour_accounts, 0),
            "copies.own_hour": max(facts.copies_hour_own, 0),
            "copies.removed_before": facts.copies_removed > 0,
            "copies.removed_count": max(facts.copies_removed, 0),
            "copies.removed_clause": facts.copies_removed_clause,
        },
        matches,
    )


CONTEXT_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "context",
        1,
        "The setting: what became of the author's posts, whom this one addresses, how heated the thread is. "
        "The counting is part of one look-up for each post.",
        {
            "context.posts_ten_minutes": "int",
            "context.published_month": "int",
            "context.held_month": "int",
            "context.removed_month": "int",
            "context.refused_month": "int",
            "context.refused_hour": "int",
            "context.reporters_week": "int",
            "context.cluster_size": "int",
            "context.linked_banned": "int",
            "context.people_hour": "int",
            "context.strangers": "int",
            "context.unanswered": "int",
            "context.strangers_at_target_hour": "int",
            "context.reply_depth": "int",
            "context.thread_posts": "int",
            "context.thread_people": "int",
        },
        measure_context,
        cost_us=4,
        says={
            "context.posts_ten_minutes": "posts in ten minutes",
            "context.published_month": "posts published in a month",
            "context.held_month": "posts held in a month",
            "context.removed_month": "posts removed in a month",
            "context.refused_month": "posts refused in a month",
            "context.refused_hour": "posts refused in the last hour",
            "context.reporters_week": "members who reported the author within a week",
            "context.cluster_size": "accounts made alike",
            "context.linked_banned": "accounts shut out with which the author has much in common",
            "context.people_hour": "people addressed in the last hour",
            "context.strangers": "people addressed who do not know the author",
            "context.unanswered": "times that one of them did not answer",
            "context.strangers_at_target_hour": "strangers who wrote to one of them in the last hour",
            "context.reply_depth": "depth of the thread",
            "context.thread_posts": "answers in the thread in ten minutes",
            "context.thread_people": "people in the thread",
        },
    ),
    Signal(
        "copies",
        1,
        "Copies: how many others said the same in the last hour, and whether it was taken down before. "
        "The fingerprint, a twentieth of a millisecond, is made before the judge is asked.",
        {
            "copies.seen_hour_accounts": "int",
            "copies.own_hour": "int",
            "copies.removed_before": "bool",
            "copies.removed_count": "int",
            "copies.removed_clause": "string",
        },
        measure_copies,
        cost_us=3,
        says={
            "copies.seen_hour_accounts": "other accounts that said the same in the last hour",
            "copies.own_hour": "times that the author said it in the last hour",
            "copies.removed_count": "times that it was taken down",
        },
    ),
)
