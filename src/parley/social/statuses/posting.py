"""Posting: the one way a new status comes to be. API, web, federation and the schedule all call `post_status`.

Rules first, then the verdict, then the rows, then the fact; all in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.kit.cleaning import plain_text
from parley.kit.clock import now
from parley.kit.db import Tx, wait_for_disk
from parley.kit.errors import Invalid
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.screening import Content, Facts, Kind, Outcome
from parley.social.accounts.profiles import address_key
from parley.social.accounts.reads import AddressRow, find_addresses, load_emojis
from parley.social.accounts.views import AccountHead, Viewer
from parley.social.events.actions import record
from parley.social.events.facts import StatusHeld, StatusImported, StatusPosted
from parley.social.media.actions import attach_media
from parley.social.media.judging import wait_for_files, with_files
from parley.social.media.reads import get_media_views
from parley.social.media.views import MediaView
from parley.social.statuses import rules, store_polls, store_schedule, store_writes, text
from parley.social.statuses.copies import fingerprint_of
from parley.social.statuses.drafts import Checked, Draft, check_new_status, complete_draft
from parley.social.statuses.ground import facts_of, load_ground
from parley.social.statuses.hydrate import get_status, present_new
from parley.social.statuses.publishing import make_tags, note_restriction, settle_media, where_counted
from parley.social.statuses.store import Body
from parley.social.statuses.store_ground import Ground
from parley.social.statuses.store_writes import StatusRow, body_of
from parley.social.statuses.text import Composed
from parley.social.statuses.views import NewPoll, NewStatus, Origin, StatusView
from parley.social.statuses.visibility import SHOWN_ACCOUNT_STATES
from parley.social.verdicts.actions import Screened, Subject, screen


async def post_status(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    new: NewStatus,
    *,
    idempotency_key: str | None = None,
    scheduled_id: int | None = None,
    origin: Origin | None = None,
) -> StatusView:
    """Post `new` for the viewer; returns it as its author sees it.

    Published, or held for a decision (then `held` is set and nobody else sees it). The same `idempotency_key` of the
    same author gives the status that was made first. `scheduled_id` is the planned status that this one comes from,
    whose media it takes over. With an `origin` it was posted elsewhere first: it is dated back, addresses nobody,
    goes to no home and notifies nobody; rules and verdict are the same. Raises Invalid for a broken rule, NotFound
    when what it answers or quotes is invisible to the author, Rejection when policy refuses it.
    """
    key = rules.check_key(idempotency_key)
    checked = await check_new_status(tx, settings, viewer, new)
    if key is not None:
        earlier = await store_schedule.insert_key(tx, viewer.account_id, key)
        if earlier is not None:
            if earlier.status_id is None:
                raise Invalid("This Idempotency-Key was used for something else; use a new one.")
            await wait_for_disk(tx)  # the first try may have been told that nobody was sure of it
            return await get_status(tx, viewer, earlier.status_id)
    body, head = await _insert(tx, settings, viewer, checked, key, scheduled_id, origin)
    return await present_new(tx, viewer, body, head)


async def find_people(tx: Tx, settings: Settings, found: Any) -> dict[tuple[str, str | None], AddressRow]:
    """Whom the mentions of a text mean, as far as they are known here and may be seen."""
    rows = await find_addresses(tx, settings, found.mentions)
    named = {(row.username.lower(), row.domain): row for row in rows if row.state in SHOWN_ACCOUNT_STATES}
    wanted = {address_key(settings, mention) for mention in found.mentions}
    return {key: row for key, row in named.items() if key in wanted}


def describe_people(people: Sequence[AddressRow]) -> list[dict[str, Any]]:
    """The mentions column."""
    return [
        {"id": row.id, "username": row.username, "domain": row.domain}
        | ({"url": row.url or row.uri} if row.domain else {})
        for row in people
    ]


def describe_content(
    kind: Kind,
    words: rules.Words,
    composed: Composed,
    *,
    content_type: str,
    options: Sequence[str],
    media: Sequence[MediaView],
    language: str | None,
    sensitive: bool,
) -> Content:
    """What the judge reads: every word that anybody will see, as it was typed and as markup lets it be seen."""
    texts = {"text": words.text}
    if content_type == "text/markdown":
        # `&#107;ill` and `ki[ll](...)` read otherwise than they are typed.
        shown = plain_text(composed.html)
        if shown.split() != words.text.split():
            texts["shown_text"] = shown
    if words.spoiler_text:
        texts["spoiler_text"] = words.spoiler_text
    for place, option in enumerate(options, 1):
        texts[f"poll_option_{place}"] = option
    for place, view in enumerate(media, 1):
        if view.description:
            texts[f"media_{place}_description"] = view.description
    content = Content(
        kind=kind,
        texts=texts,
        links=composed.links,
        mentions_count=len(composed.mentions),
        tags=composed.tag_names,
        media_count=len(media),
        media_types=tuple(view.mime_type or view.type for view in media),
        language=language,
        has_poll=bool(options),
        sensitive=sensitive,
    )
    return with_files(content, list(enumerate(media, 1)))


def addressed_by(composed: Composed, viewer: Viewer, *, without: Collection[int] = ()) -> list[int]:
    """Whom a text addresses besides its author and those who were addressed before."""
    ids = (person.id for person in composed.mentions)
    return [account_id for account_id in ids if account_id != viewer.account_id and account_id not in without]


def kind_of(visibility: str, *, has_poll: bool) -> Kind:
    """Under which kind a status is screened."""
    if visibility == "direct":
        return "message"
    return "poll" if has_poll else "status"


def state_of(screened: Screened) -> str:
    """The state that a verdict puts a new status into."""
    if screened.held:
        return "held"
    return "limited" if screened.verdict.outcome is Outcome.LIMIT else "published"


async def load_own_media(tx: Tx, viewer: Viewer, media_ids: Sequence[int]) -> list[MediaView]:
    """The attachments in order; raises Invalid for one that is not the viewer's own or could not be read."""
    if not media_ids:
        return []
    views = await get_media_views(tx, list(media_ids))
    media: list[MediaView] = []
    for media_id in media_ids:
        view = views.get(media_id)
        if view is None or view.account_id != viewer.account_id:
            raise Invalid(f"Validation failed: There is no media attachment {media_id} of yours.")
        if view.state == "failed":
            raise Invalid(f"Validation failed: Media attachment {media_id}: {view.error}")
        media.append(view)
    return media


async def _insert(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    checked: Checked,
    key: str | None,
    scheduled_id: int | None,
    origin: Origin | None,
) -> tuple[Body, AccountHead]:
    media = await load_own_media(tx, viewer, checked.media_ids)
    found = checked.words.found
    # The names in a text that comes from elsewhere mean people of elsewhere.
    people = await find_people(tx, settings, found) if origin is None else {}
    emojis = await load_emojis(tx, _shortcodes(checked))
    composed = text.compose(found, checked.new.content_type, people, emojis, settings)
    parent, quoted = checked.parent, checked.quoted
    options = checked.poll.options if checked.poll else ()
    fingerprint = fingerprint_of(
        checked.words.text, checked.new.content_type, composed.html, checked.words.spoiler_text, options
    )
    ground = await load_ground(
        tx,
        viewer,
        [*addressed_by(composed, viewer), *(body.account_id for body in (parent, quoted) if body)],
        fingerprint,
        parent_id=parent.id if parent else None,
        conversation_id=parent.conversation_id if parent else None,
    )
    if origin is not None:
        ground = msgspec.structs.replace(ground, status_id=_date_back(ground.status_id, origin))
    draft = complete_draft(checked, ground)
    language = draft.language or await text.detect_language(found, draft.language_fallback)
    facts = facts_of(ground, fingerprint)
    screened = await _screen(tx, viewer, draft, composed, media, facts, ground.status_id, language)
    state = state_of(screened)
    moment = now() if origin is None else origin.created_at
    if draft.poll is not None:
        await _insert_poll(tx, viewer, draft.poll, ground.poll_id, ground.status_id, moment)
    tag_ids = await make_tags(tx, composed) if state != "held" else []
    row = _row_of(viewer, draft, composed, ground, screened, media, language, moment, origin)
    bands = fingerprint.bands if fingerprint else None
    row = msgspec.structs.replace(row, emojis=list(emojis), tag_ids=tag_ids, key=key, bands=bands)
    head = await store_writes.insert_status(tx, row)
    if media:
        await attach_media(tx, viewer.account_id, draft.media_ids, row.id, scheduled_status_id=scheduled_id)
        if state == "held" or any(view.withheld for view in media):
            await settle_media(tx, row.id)
        await wait_for_files(tx, draft.media_ids, screened)
    if state == "held" and not screened.waits:
        await record(tx, StatusHeld(account_id=viewer.account_id, status_id=row.id, revision=1))
    elif state != "held":
        fact = StatusPosted if origin is None else StatusImported
        await record(tx, fact(account_id=viewer.account_id, status_id=row.id))
        if state == "limited":
            await note_restriction(tx, viewer.account_id, row.id, 1, state)
    return body_of(row), head


def _date_back(status_id: int, origin: Origin) -> int:
    """A fresh id as if it had been made when the status was first posted, so that it stands where it belongs."""
    return id_at(origin.created_at) | (status_id & 0xFFFF)


def _row_of(
    viewer: Viewer,
    draft: Draft,
    composed: Composed,
    ground: Ground,
    screened: Screened,
    media: Sequence[MediaView],
    language: str | None,
    moment: datetime,
    origin: Origin | None,
) -> StatusRow:
    parent, quoted, state = draft.parent, draft.quoted, state_of(screened)
    parent_id, quoted_id = parent.id if parent else None, quoted.id if quoted else None
    counts = where_counted(state, draft.visibility, parent_id, quoted_id, imported=origin is not None)
    return StatusRow(
        id=ground.status_id,
        account_id=viewer.account_id,
        conversation_id=parent.conversation_id if parent else ground.status_id,
        in_reply_to_id=parent_id,
        in_reply_to_account_id=_answered(parent, viewer) if parent else None,
        quote_of_id=quoted_id,
        quote_state="accepted" if quoted else None,
        quote_policy=draft.quote_policy,
        visibility=draft.visibility,
        local_only=draft.local_only,
        state=state,
        text=draft.words.text,
        content_type=draft.content_type,
        html=composed.html,
        spoiler_text=draft.words.spoiler_text,
        sensitive=draft.sensitive or screened.sensitive,
        language=language,
        mentions=describe_people(composed.mentions),
        mentioned_ids=[person.id for person in composed.mentions],
        tags=list(composed.tags),
        emojis=[],
        media_ids=draft.media_ids,
        poll_id=ground.poll_id if draft.poll else None,
        app_id=viewer.app_id,
        screening_id=screened.id,
        created_at=moment,
        media_descriptions=[view.description for view in media],
        poll_options=list(draft.poll.options) if draft.poll else None,
        tag_ids=[],
        counted=counts.author,
        counted_on=counts.others,
        key=None,
        strangers=ground.strangers,
        reply_depth=ground.depth,
        bands=None,
        imported_from=origin.host if origin else None,
        import_proof=origin.proof if origin else None,
    )


def _shortcodes(draft: Checked) -> list[str]:
    names = list(draft.words.found.emojis)
    for line in (draft.words.spoiler_text, *(draft.poll.options if draft.poll else ())):
        names += text.find_shortcodes(line)
    return names


def _answered(parent: Body, viewer: Viewer) -> int:
    """Whom a reply answers: in a chain of one's own replies, whoever the chain answers (as Mastodon does)."""
    if parent.account_id == viewer.account_id and parent.in_reply_to_account_id is not None:
        return parent.in_reply_to_account_id
    return parent.account_id


async def _screen(
    tx: Tx,
    viewer: Viewer,
    draft: Draft,
    composed: Composed,
    media: list[MediaView],
    facts: Facts,
    status_id: int,
    language: str | None,
) -> Screened:
    facts = msgspec.structs.replace(facts, visibility=draft.visibility, is_reply=draft.parent is not None)
    kind = kind_of(draft.visibility, has_poll=draft.poll is not None)
    content = describe_content(
        kind,
        draft.words,
        composed,
        content_type=draft.content_type,
        options=draft.poll.options if draft.poll else (),
        media=media,
        language=language,
        sensitive=draft.sensitive,
    )
    return await screen(tx, Subject(kind, status_id, 1, viewer.account_id), content, facts)


async def _insert_poll(tx: Tx, viewer: Viewer, poll: NewPoll, poll_id: int, status_id: int, moment: datetime) -> None:
    await store_polls.insert_poll(
        tx,
        poll_id,
        viewer.account_id,
        status_id,
        poll.options,
        multiple=poll.multiple,
        hide_totals=poll.hide_totals,
        expires_at=moment + timedelta(seconds=poll.expires_in),
    )
