"""From ids to statuses as one viewer may see them: every timeline stands on `list_statuses`.

What is fetched, and what the process keeps, is gathering.py's; here it is decided what the viewer may see of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.social.accounts.reads import complete_heads
from parley.social.accounts.views import AccountHead, AccountView, EmojiView, Viewer
from parley.social.graph.ties import STRANGER, Tie
from parley.social.media.for_evidence import list_whole_media
from parley.social.media.views import MediaView
from parley.social.statuses import store
from parley.social.statuses.gathering import (
    Gathered,
    complete_bodies,
    gather,
    is_kept,
    keep_media,
    load_bodies,
)
from parley.social.statuses.store import Body, Marks, RevisionRow, read_mentions
from parley.social.statuses.store_polls import PollRow
from parley.social.statuses.views import HeldView, ImportedView, PollOptionView, PollView, QuoteView, StatusView
from parley.social.statuses.visibility import can_see

_NO_MARKS = (False,) * 5
_QUOTE_WORDS = {"accepted": "accepted", "revoked": "revoked", "denied": "rejected", "pending": "pending"}


async def list_statuses(tx: Tx, viewer: Viewer | None, ids: Sequence[int]) -> list[StatusView]:
    """The statuses with these ids that the viewer may see, in the order of `ids`; others are left out.

    At most ten queries, however many ids; four or five once a page's statuses are known to the process.
    """
    if not ids:
        return []
    found = await gather(tx, viewer, ids)
    views = (_present(found, status_id) for status_id in ids)
    return [view for view in views if view is not None]


async def list_reportable(tx: Tx, viewer: Viewer, ids: Sequence[int]) -> list[StatusView]:
    """The statuses with these ids that the viewer could see if nobody blocked anybody, for evidence alone.

    Who insults somebody and then blocks them must not be out of reach of a report.
    """
    if not ids:
        return []
    found = await gather(tx, viewer, ids)
    found.ties = {author: msgspec.structs.replace(tie, blocked=False) for author, tie in found.ties.items()}
    views = (_present(found, status_id) for status_id in ids)
    return [view for view in views if view is not None]


async def list_for_evidence(tx: Tx, ids: Sequence[int]) -> list[StatusView]:
    """The statuses with these ids whoever may see them and whatever their state: for evidence, never to be shown."""
    found = await gather(tx, None, ids)
    views: list[StatusView] = []
    for body in (found.bodies[status_id] for status_id in ids if status_id in found.bodies):
        account = found.accounts.get(body.account_id)
        if account is not None:
            quote = _present_quote(found, body, nested=False) if body.quote_of_id is not None else None
            views.append(_view(found, body, account, None, quote, None, None))
    return views


async def list_revisions_for_evidence(
    tx: Tx, ids: Sequence[int], named: Sequence[tuple[int, int]]
) -> tuple[dict[int, StatusView], dict[tuple[int, int], StatusView]]:
    """The same by id, with descriptions that wait and attachments that their owner has deleted since; and `named`
    revisions of some of them."""
    found = await gather(tx, None, ids)
    rows = await store.list_revisions_at(tx, named) if named else {}
    wanted = {media_id for row in rows.values() for media_id in row.media_ids}
    wanted |= {media_id for body in found.bodies.values() for media_id in body.media_ids}
    if wanted:
        found.media = await list_whole_media(tx, list(wanted))
        found.attached.clear()

    def view(body: Body, revision: RevisionRow | None) -> StatusView:
        quote = _present_quote(found, body, nested=False) if body.quote_of_id is not None else None
        return _view(found, body, found.accounts[body.account_id], None, quote, revision, None)

    bodies = {status_id: body for status_id, body in found.bodies.items() if body.account_id in found.accounts}
    plain = {status_id: view(bodies[status_id], None) for status_id in ids if status_id in bodies}
    return plain, {place: view(bodies[place[0]], row) for place, row in rows.items() if place[0] in bodies}


async def get_status(tx: Tx, viewer: Viewer | None, status_id: int) -> StatusView:
    """One status; raises NotFound when it is missing or invisible to the viewer."""
    views = await list_statuses(tx, viewer, [status_id])
    if not views:
        raise NotFound
    return views[0]


async def present_new(tx: Tx, viewer: Viewer, body: Body, head: AccountHead) -> StatusView:
    """The view of a status that the viewer has inserted in this very transaction, without reading it back.

    `head` is the viewer's own, as it is since then.
    """
    bodies = {body.id: body}
    if body.quote_of_id is not None:
        bodies |= await load_bodies(tx, [body.quote_of_id])
    marks = {body.id: Marks(body.id, body.version, 0, 0, 0, 0, *_NO_MARKS)}
    found = await complete_bodies(tx, viewer, bodies, marks, known_head=head)
    view = _present(found, body.id)
    assert view is not None
    return view


async def get_visible_body(tx: Tx, viewer: Viewer | None, status_id: int, *, original: bool = True) -> tuple[Body, Tie]:
    """The stored body of a status that the viewer may see, and the viewer's tie to its author.

    With `original`, the id of a boost leads to what it boosts. Raises NotFound. For actions that need no full view.
    """
    body = await _get_seen(tx, viewer, status_id)
    if original and body[0].reblog_of_id is not None:
        body = await _get_seen(tx, viewer, body[0].reblog_of_id)
    return body


async def _get_seen(tx: Tx, viewer: Viewer | None, status_id: int) -> tuple[Body, Tie]:
    found = await store.get_body_with_author(tx, viewer.account_id if viewer else None, status_id)
    if found is None:
        raise NotFound
    body, head, tie = found
    accounts = await complete_heads(tx, [head])
    if not _is_visible(body, accounts.get(body.account_id), viewer, tie):
        raise NotFound
    return body, tie


def _is_visible(body: Body, account: AccountView | None, viewer: Viewer | None, tie: Tie) -> bool:
    return account is not None and can_see(
        state=body.state,
        visibility=body.visibility,
        local_only=body.local_only,
        author_id=body.account_id,
        author_state=account.state,
        mentioned_ids=body.mentioned_ids,
        viewer_id=viewer.account_id if viewer else None,
        following=tie.following,
        blocked=tie.blocked,
    )


def _present(found: Gathered, status_id: int, *, nested: bool = False) -> StatusView | None:
    """The view of one status, or None when the viewer may not see it (or what it boosts)."""
    body = found.bodies.get(status_id)
    if body is None:
        return None
    account = found.accounts.get(body.account_id)
    tie = found.ties.get(body.account_id, STRANGER)
    if account is None or not _is_visible(body, account, found.viewer, tie):
        return None
    reblog = None
    if body.reblog_of_id is not None:
        reblog = _present(found, body.reblog_of_id)
        if reblog is None:
            return None
    revision, held = found.held.get(body.id, (None, None))
    quote = _present_quote(found, body, nested=nested) if body.quote_of_id is not None else None
    return _view(found, body, account, reblog, quote, revision, held)


def _present_quote(found: Gathered, body: Body, *, nested: bool) -> QuoteView:
    quoted_id = body.quote_of_id
    assert quoted_id is not None
    state = _QUOTE_WORDS[body.quote_state or "pending"]
    if state != "accepted":
        return QuoteView(state, None)
    if nested:
        return QuoteView(state, None, quoted_id)
    quoted = found.bodies.get(quoted_id)
    if quoted is None or quoted.state in ("author_deleted", "removed"):
        return QuoteView("deleted", None)
    view = _present(found, quoted_id, nested=True)
    if view is None:  # one word for every reason: it must not tell who blocks whom
        return QuoteView("unauthorized", None)
    return QuoteView(state, view, quoted_id)


def _view(
    found: Gathered,
    body: Body,
    account: AccountView,
    reblog: StatusView | None,
    quote: QuoteView | None,
    revision: RevisionRow | None,
    held: HeldView | None,
) -> StatusView:
    marks = found.marks[body.id]
    emojis = _emojis_of(found, revision.emojis if revision else body.emojis)
    shown = revision or body
    app = found.apps.get(body.app_id) if body.app_id is not None else None
    return StatusView(
        id=body.id,
        account=account,
        conversation_id=body.conversation_id,
        in_reply_to_id=body.in_reply_to_id,
        in_reply_to_account_id=body.in_reply_to_account_id,
        visibility=body.visibility,
        local_only=body.local_only,
        state=body.state,
        text=shown.text,
        content_type=shown.content_type,
        html=shown.html,
        spoiler_text=_warning_of(body, shown.spoiler_text),
        own_warning=shown.spoiler_text,
        sensitive=shown.sensitive or body.marked_sensitive or (account.sensitized and bool(shown.media_ids)),
        language=shown.language,
        mentions=read_mentions(revision.mentions) if revision else body.mentions,
        tags=tuple(shown.tags),
        emojis=emojis,
        media=_media_of(found, body, revision),
        poll=_poll_of(found, shown.poll_id, emojis),
        reblog=reblog,
        quote=quote,
        quote_policy=shown.quote_policy,
        app_name=app.name if app else None,
        app_website=app.website if app else None,
        replies_count=marks.replies_count,
        reblogs_count=marks.reblogs_count,
        favourites_count=marks.favourites_count,
        quotes_count=marks.quotes_count,
        favourited=marks.favourited,
        reblogged=marks.reblogged,
        bookmarked=marks.bookmarked,
        muted=marks.muted,
        pinned=marks.pinned,
        uri=body.uri,
        url=body.url,
        created_at=body.created_at,
        edited_at=revision.created_at if revision and revision.revision > 1 else body.edited_at,
        revision=revision.revision if revision else body.revision,
        version=body.version,
        held=held,
        is_committed=is_kept(body),
        viewer_id=found.viewer.account_id if found.viewer else None,
        following_author=found.ties.get(body.account_id, STRANGER).following,
        imported=ImportedView(body.imported_from, body.import_proof or "claimed") if body.imported_from else None,
    )


def _warning_of(body: Body, spoiler_text: str) -> str:
    """What stands before a status: what moderators tell readers of it, then its author's own warning."""
    if not body.marked_label:
        return spoiler_text
    return f"{body.marked_label} \u00b7 {spoiler_text}" if spoiler_text else body.marked_label


def _media_of(found: Gathered, body: Body, revision: RevisionRow | None) -> tuple[MediaView, ...]:
    if revision is not None:
        return describe_media(found.media, revision.media_ids, revision.media_descriptions)
    if not body.media_ids:
        return ()
    kept = found.attached.get(body.id)
    if kept is not None:
        return kept
    media = describe_media(found.media, body.media_ids, body.media_descriptions)
    keep_media(body, media)
    return media


def describe_media(
    views: Mapping[int, MediaView], ids: Sequence[int], descriptions: Sequence[str]
) -> tuple[MediaView, ...]:
    """Attachments with the descriptions that were screened with this revision, whatever the files' own are now.

    Where there was none, a file's own is taken: it was screened by itself.
    """
    return tuple(
        msgspec.structs.replace(view, description=description) if description else view
        for media_id, description in zip(ids, descriptions, strict=False)
        if (view := views.get(media_id)) is not None
    )


def _emojis_of(found: Gathered, names: Sequence[str]) -> tuple[EmojiView, ...]:
    return tuple(found.emojis[name] for name in names if name in found.emojis) if names else ()


def _poll_of(found: Gathered, poll_id: int | None, emojis: tuple[EmojiView, ...]) -> PollView | None:
    row = found.polls.get(poll_id) if poll_id is not None else None
    return _view_of_poll(row, found.viewer, emojis) if row else None


def _view_of_poll(row: PollRow, viewer: Viewer | None, emojis: tuple[EmojiView, ...]) -> PollView:
    """A poll as the viewer sees it; totals are hidden until the end where its author wanted that."""
    expired = row.expires_at <= now()
    hidden = row.hide_totals and not expired
    options = tuple(
        PollOptionView(title, None if hidden else tally) for title, tally in zip(row.options, row.tallies, strict=True)
    )
    is_own = viewer is not None and viewer.account_id == row.account_id
    return PollView(
        id=row.id,
        expires_at=row.expires_at,
        expired=expired,
        multiple=row.multiple,
        votes_count=sum(row.tallies),
        voters_count=row.voters_count,
        options=options,
        voted=None if viewer is None else is_own or bool(row.own_votes),
        own_votes=None if viewer is None else tuple(row.own_votes),
        emojis=emojis,
    )
