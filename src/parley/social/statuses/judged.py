"""The words of a status as the judge reads them: the same when it is written and when history is judged again."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.cleaning import plain_text
from parley.kit.db import Tx
from parley.social.statuses import store_judged


def texts_of(
    text: str,
    *,
    content_type: str,
    html: str,
    spoiler_text: str,
    options: Sequence[str],
    descriptions: Sequence[str],
) -> dict[str, str]:
    """Every word that anybody will see, by the name of its field, as it was typed and as markup lets it be seen.

    `html` is looked at for Markdown alone.
    """
    texts = {"text": text}
    if content_type == "text/markdown":
        # `&#107;ill` and `ki[ll](...)` read otherwise than they are typed.
        shown = plain_text(html)
        if shown.split() != text.split():
            texts["shown_text"] = shown
    if spoiler_text:
        texts["spoiler_text"] = spoiler_text
    for place, option in enumerate(options, 1):
        texts[f"poll_option_{place}"] = option
    for place, description in enumerate(descriptions, 1):
        if description:
            texts[f"media_{place}_description"] = description
    return texts


async def list_judged_texts(
    tx: Tx, named: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[dict[str, str], str]]:
    """The texts and the visibility of these revisions (status, revision), whatever their state: one query.

    For the judge alone; nothing of it may be shown without asking who may see it.
    """
    rows = await store_judged.list_judged(tx, named) if named else []
    return {
        (row.status_id, row.revision): (
            texts_of(
                row.text,
                content_type=row.content_type,
                html=row.html,
                spoiler_text=row.spoiler_text,
                options=row.poll_options or (),
                descriptions=row.media_descriptions,
            ),
            row.visibility,
        )
        for row in rows
    }


async def list_revision_media(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    """The attachments of revisions (status, revision), in order, for the judge alone: one query."""
    return await store_judged.list_revision_media(tx, named) if named else {}


async def list_carrying(tx: Tx, status_ids: Sequence[int], media_ids: Sequence[int]) -> list[tuple[str, int, int]]:
    """Type, id and revision under which the revisions of these statuses were judged that carry one of these files."""
    return await store_judged.list_carrying(tx, status_ids, media_ids) if status_ids else []
