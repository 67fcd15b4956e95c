"""Editing: a new revision, screened like the first. A held one leaves what is public as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Invalid, NotFound
from parley.kit.settings import Settings
from parley.screening import Outcome
from parley.social.accounts.reads import load_emojis
from parley.social.accounts.restrictions import check_may_post, check_may_write
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import RequiredChangeMade, StatusHeld
from parley.social.media.actions import attach_media, update_attached_media
from parley.social.media.judging import wait_for_files
from parley.social.media.views import MediaView
from parley.social.statuses import rules, store, store_polls, store_required, store_writes, text
from parley.social.statuses.copies import fingerprint_of, note_revision
from parley.social.statuses.ground import facts_of, load_ground
from parley.social.statuses.hydrate import get_status, get_visible_body
from parley.social.statuses.posting import (
    addressed_by,
    describe_content,
    describe_people,
    find_people,
    kind_of,
    load_own_media,
)
from parley.social.statuses.publishing import settle_media, show_revision
from parley.social.statuses.rules import Words
from parley.social.statuses.store import Body, RevisionRow
from parley.social.statuses.store_polls import PollRow
from parley.social.statuses.store_writes import LockedRow
from parley.social.statuses.text import Composed
from parley.social.statuses.views import NewPoll, StatusChange, StatusView
from parley.social.verdicts.actions import Screened, Subject, screen


class _Edit(msgspec.Struct, frozen=True, kw_only=True):
    """An edit after the rules: everything is decided but the verdict."""

    words: Words
    content_type: str
    sensitive: bool
    language: str | None
    quote_policy: str
    media: list[MediaView]
    poll: NewPoll | None
    poll_id: int | None
    """The poll that goes with the new revision: the old one, a new one, or none."""
    new_poll: bool


async def edit_status(tx: Tx, settings: Settings, viewer: Viewer, status_id: int, change: StatusChange) -> StatusView:
    """Replace an own status by `change`; returns it as its author sees it.

    When screening holds the new revision, others keep seeing the old one and `held` is set. An edit that changes
    nothing makes no revision. What moderators hid until it is changed may be edited even by whom they do not let post,
    and comes back when the judge finds nothing. Raises NotFound, Invalid, Restricted, Rejection.
    """
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id or body.reblog_of_id is not None:
        raise NotFound
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.state in ("author_deleted", "removed"):
        raise NotFound
    asked = await store_required.get_required(tx, status_id)
    (check_may_write if asked is not None else check_may_post)(viewer)
    revisions = await store.list_revisions(tx, status_id)
    waiting = row.revision if row.held_revision is None else row.held_revision
    newest = next(revision for revision in revisions if revision.revision == waiting)
    edit = await _check(tx, settings, viewer, row, newest, body, change)
    emojis = await load_emojis(tx, _shortcodes(edit))
    people = await find_people(tx, settings, edit.words.found)
    composed = text.compose(edit.words.found, edit.content_type, people, emojis, settings)
    if not edit.new_poll and not _differs(newest, edit):
        if edit.quote_policy != newest.quote_policy:
            await store_writes.update_quote_policy(tx, row.id, edit.quote_policy)
        elif change.media:
            await store_writes.update_version(tx, row.id)
        return await get_status(tx, viewer, status_id)
    number = revisions[-1].revision + 1
    screened = await _screen(tx, viewer, body, edit, composed, number)
    moment = now()
    await _store(tx, row, edit, composed, list(emojis), number, screened, moment)
    if screened.held:
        await store_writes.update_held_revision(tx, status_id, number)
        if edit.media:
            await settle_media(tx, status_id)
            await wait_for_files(tx, [view.id for view in edit.media], screened)
        if not screened.waits:
            await record(tx, StatusHeld(account_id=viewer.account_id, status_id=status_id, revision=number))
    else:
        limited = screened.verdict.outcome is Outcome.LIMIT
        await show_revision(tx, row, number, moment, limited=limited)
        if asked is not None:
            await record(tx, RequiredChangeMade(account_id=row.account_id, status_id=status_id, revision=number))
    return await get_status(tx, viewer, status_id)


async def _check(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    row: LockedRow,
    newest: RevisionRow,
    body: Body,
    change: StatusChange,
) -> _Edit:
    media_ids = rules.check_media_ids(change.media_ids, has_poll=change.poll is not None)
    alone = not media_ids and change.poll is None and row.quote_of_id is None
    words = rules.check_words(settings, change.text, change.spoiler_text, alone=alone)
    content_type = rules.check_choice("Content type", change.content_type or newest.content_type, rules.CONTENT_TYPES)
    policy = newest.quote_policy
    if change.quote_policy is not None and body.visibility in ("public", "unlisted"):
        policy = rules.check_choice("Quote approval policy", change.quote_policy, rules.QUOTE_POLICIES)
    if media_ids:
        await attach_media(tx, viewer.account_id, media_ids, row.id)
    if change.media:
        if any(attributes.id not in media_ids for attributes in change.media):
            raise Invalid("Validation failed: media_attributes names a file that is not in media_ids.")
        await update_attached_media(tx, viewer, row.id, list(change.media))
    media = await _media_as_described(tx, viewer, media_ids, newest, change)
    poll, poll_id, new_poll = await _check_poll(tx, newest, change)
    language = rules.check_language(change.language) or newest.language
    if language is None:
        language = await text.detect_language(words.found, None)
    sensitive = newest.sensitive if change.sensitive is None else change.sensitive
    return _Edit(
        words=words,
        content_type=content_type,
        sensitive=sensitive or bool(words.spoiler_text),
        language=language,
        quote_policy=policy,
        media=media,
        poll=poll,
        poll_id=poll_id,
        new_poll=new_poll,
    )


async def _media_as_described(
    tx: Tx, viewer: Viewer, media_ids: list[int], newest: RevisionRow, change: StatusChange
) -> list[MediaView]:
    """Attachments with the descriptions that this revision will show."""
    before = dict(zip(newest.media_ids, newest.media_descriptions, strict=False))
    changed = {attributes.id for attributes in change.media if attributes.description is not None}
    return [
        view if view.id in changed else msgspec.structs.replace(view, description=before.get(view.id, view.description))
        for view in await load_own_media(tx, viewer, media_ids)
    ]


async def _check_poll(tx: Tx, newest: RevisionRow, change: StatusChange) -> tuple[NewPoll | None, int | None, bool]:
    """The poll of the new revision, its id, and whether it is a new one: other options begin without votes."""
    if change.poll is None:
        return None, None, False
    poll = rules.check_poll(change.poll)
    old = (await store_polls.list_polls(tx, [newest.poll_id], 0)).get(newest.poll_id) if newest.poll_id else None
    if old is not None and tuple(old.options) == poll.options and old.multiple == poll.multiple:
        await _change_terms(tx, old, poll)
        return poll, old.id, False
    return poll, await get_new_id(tx), True


async def _change_terms(tx: Tx, old: PollRow, poll: NewPoll) -> None:
    """Another end for a poll that runs on. What has ended stays ended: its voters were told the result."""
    moment = now()
    if old.closed_at is None and old.expires_at > moment:
        ends = moment + timedelta(seconds=poll.expires_in)
        await store_polls.update_poll_terms(tx, old.id, ends, poll.hide_totals)


def _shortcodes(edit: _Edit) -> list[str]:
    names = list(edit.words.found.emojis)
    for line in (edit.words.spoiler_text, *(edit.poll.options if edit.poll else ())):
        names += text.find_shortcodes(line)
    return names


def _differs(newest: RevisionRow, edit: _Edit) -> bool:
    """Whether the edit changes what a reader sees."""
    return (
        newest.text,
        newest.spoiler_text,
        newest.content_type,
        newest.sensitive,
        newest.language,
        newest.media_ids,
        newest.media_descriptions,
        newest.poll_id,
    ) != (
        edit.words.text,
        edit.words.spoiler_text,
        edit.content_type,
        edit.sensitive,
        edit.language,
        [view.id for view in edit.media],
        [view.description for view in edit.media],
        edit.poll_id,
    )


async def _screen(tx: Tx, viewer: Viewer, body: Body, edit: _Edit, composed: Composed, number: int) -> Screened:
    addressed = addressed_by(composed, viewer, without=body.mentioned_ids)
    options = edit.poll.options if edit.poll else ()
    fingerprint = fingerprint_of(edit.words.text, edit.content_type, composed.html, edit.words.spoiler_text, options)
    ground = await load_ground(
        tx,
        viewer,
        addressed,
        fingerprint,
        parent_id=body.in_reply_to_id,
        conversation_id=body.conversation_id if body.in_reply_to_id else None,
    )
    facts = msgspec.structs.replace(
        facts_of(ground, fingerprint),
        visibility=body.visibility,
        is_edit=True,
        is_reply=body.in_reply_to_id is not None,
    )
    kind = kind_of(body.visibility, has_poll=edit.poll is not None)
    content = describe_content(
        kind,
        edit.words,
        composed,
        content_type=edit.content_type,
        options=edit.poll.options if edit.poll else (),
        media=edit.media,
        language=edit.language,
        sensitive=edit.sensitive,
    )
    screened = await screen(tx, Subject(kind, body.id, number, viewer.account_id), content, facts)
    await note_revision(tx, viewer, body.id, number, fingerprint, ground.strangers)
    return screened


async def _store(
    tx: Tx,
    row: LockedRow,
    edit: _Edit,
    composed: Composed,
    emojis: Sequence[str],
    number: int,
    screened: Screened,
    moment: datetime,
) -> None:
    if edit.new_poll and edit.poll is not None and edit.poll_id is not None:
        await store_polls.insert_poll(
            tx,
            edit.poll_id,
            row.account_id,
            row.id,
            edit.poll.options,
            multiple=edit.poll.multiple,
            hide_totals=edit.poll.hide_totals,
            expires_at=moment + timedelta(seconds=edit.poll.expires_in),
        )
    await store_writes.insert_revision(
        tx,
        RevisionRow(
            status_id=row.id,
            revision=number,
            text=edit.words.text,
            content_type=edit.content_type,
            html=composed.html,
            spoiler_text=edit.words.spoiler_text,
            sensitive=edit.sensitive or screened.sensitive,
            language=edit.language,
            mentions=describe_people(composed.mentions),
            tags=list(composed.tags),
            emojis=list(emojis),
            media_ids=[view.id for view in edit.media],
            media_descriptions=[view.description for view in edit.media],
            poll_id=edit.poll_id,
            poll_options=list(edit.poll.options) if edit.poll else None,
            quote_policy=edit.quote_policy,
            screening_id=screened.id,
            state="held",
            created_at=moment,
        ),
    )
