"""The words that jurors and second readers are shown: as they were, without the names of people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from parley.kit.db import Tx
from parley.safety.golden import store
from parley.safety.golden.views import GoldenCase, Question
from parley.social.statuses.judged import list_judged_texts

SOMEBODY = "@somebody"
_MENTION = re.compile(r"(?<![\w/])@[A-Za-z0-9_][\w.-]*(?:@[A-Za-z0-9.-]+\w)?")
_PROFILE = re.compile(r"https?://[^\s/]+/(?:@|users/)[^\s]+", re.IGNORECASE)
_LABELS = {"text": "Text", "spoiler_text": "Warning above it"}


def without_names(text: str) -> str:
    """The text with everybody's handle, and addresses of profiles, replaced: what is judged is what was said."""
    return _MENTION.sub(SOMEBODY, _PROFILE.sub(SOMEBODY, text))


def label_of(field: str) -> str:
    """The name of a field of a status, for people."""
    if field in _LABELS:
        return _LABELS[field]
    if field.startswith("poll_option_"):
        return f"Answer {field.removeprefix('poll_option_')} of the poll"
    return "Description of a picture"


async def list_questions(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Question]:
    """The questions about these revisions (status, revision); those whose words are gone are left out. Two queries.

    What they say is for whoever was asked, and for the staff.
    """
    if not named:
        return {}
    forms = {(row.status_id, row.revision): row for row in await store.list_forms(tx, named)}
    texts = await list_judged_texts(tx, named)
    found = {}
    for place, (words, _visibility) in texts.items():
        form = forms.get(place)
        if form is None:
            continue
        shown = [(label_of(field), without_names(text)) for field, text in words.items() if field != "shown_text"]
        found[place] = Question(
            subject_type="status",
            subject_id=place[0],
            revision=place[1],
            words=tuple((label, text) for label, text in shown if text.strip()),
            has_media=form.has_media,
            is_public=form.is_public,
            pictures=tuple((file, without_names(said)) for file, said in form.pictures)
            if len(form.pictures) == form.media
            else (),
        )
    return found


async def count_golden(tx: Tx) -> tuple[int, int]:
    """How many known answers there are: breaks, fine."""
    return await store.count_live(tx)


async def list_golden_cases(tx: Tx, ids: list[int]) -> dict[int, GoldenCase]:
    """Known answers by id. For counting alone: whoever is asked must not see them."""
    return {case.id: case for case in await store.list_golden(tx, ids)} if ids else {}


async def list_unseen_cases(tx: Tx, account_id: int, limit: int) -> list[GoldenCase]:
    """Known answers for which somebody was not asked yet, in an order of their own."""
    return await store.list_unseen(tx, account_id, limit) if limit > 0 else []
