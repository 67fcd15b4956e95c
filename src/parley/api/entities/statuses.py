"""Statuses, polls, quotes, edits and scheduled statuses in Mastodon's JSON shapes. No rule lives here.

Source: https://docs.joinmastodon.org/entities/Status/ and its neighbours. What is ours on top: `moderation`, which
an author finds on a post that waits for a decision, `local_only`, and `imported`, which says that a post comes from an
archive.

A status is written in two halves. The first is the same for every reader of one version and is kept as JSON; the
second holds counts and the reader's own marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.api.entities.accounts import CustomEmoji, account_entity, emoji_entity
from parley.api.entities.filters import match_entity
from parley.api.entities.media import MediaAttachment, media_entity
from parley.api.entities.moderation import Moderation, moderation_entity
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_uri, member_url, page_url, tag_url
from parley.social.statuses.views import (
    ContextView,
    MentionView,
    PollView,
    QuoteView,
    RevisionView,
    ScheduledView,
    SourceView,
    StatusView,
)
from parley.social.statuses.visibility import can_quote

UNSET = msgspec.UNSET
MOST_KEPT = 8192
"""How many first halves one process keeps: about 1 KiB each."""

_kept: dict[tuple[int, int, int, str], bytes] = {}
_encode = msgspec.json.Encoder().encode


class StatusMention(msgspec.Struct, frozen=True):
    """Somebody who is addressed."""

    id: str
    username: str
    url: str
    acct: str


class StatusTag(msgspec.Struct, frozen=True):
    """A hashtag of a status."""

    name: str
    url: str


class Application(msgspec.Struct, frozen=True):
    """The app that a status was posted with."""

    name: str
    website: str | None


class QuoteApproval(msgspec.Struct, frozen=True):
    """Who may quote a status, and whether this reader may."""

    automatic: Sequence[str]
    manual: Sequence[str]
    current_user: str


class Quote(msgspec.Struct, frozen=True):
    """What a status quotes."""

    state: str
    quoted_status: msgspec.Raw | None


class ShallowQuote(msgspec.Struct, frozen=True):
    """What a quoted status quotes in turn."""

    state: str
    quoted_status_id: str | None


class PollOption(msgspec.Struct, frozen=True):
    """A choice; the count is null while totals are hidden."""

    title: str
    votes_count: int | None


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/Poll/"""

    id: str
    expires_at: str
    expired: bool
    multiple: bool
    votes_count: int
    voters_count: int | None
    options: Sequence[PollOption]
    emojis: Sequence[CustomEmoji]
    voted: bool | msgspec.UnsetType = UNSET
    own_votes: Sequence[int] | msgspec.UnsetType = UNSET


class Imported(msgspec.Struct, frozen=True):
    """Ours: the status was posted elsewhere first. `proof` is own, signed or claimed (docs/members/archives.md)."""

    host: str
    proof: str


class _Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """The half of a Status that is the same for every reader of this version."""

    id: str
    created_at: str
    edited_at: str | None
    in_reply_to_id: str | None
    in_reply_to_account_id: str | None
    spoiler_text: str
    visibility: str
    language: str | None
    uri: str
    url: str
    content: str
    media_attachments: Sequence[MediaAttachment]
    mentions: Sequence[StatusMention]
    tags: Sequence[StatusTag]
    application: Application | None
    card: None
    local_only: bool
    imported: Imported | msgspec.UnsetType = UNSET


class _Moving(msgspec.Struct, frozen=True, kw_only=True):
    """The half of a Status that depends on the moment and the reader."""

    account: msgspec.Raw
    sensitive: bool
    emojis: Sequence[CustomEmoji]
    replies_count: int
    reblogs_count: int
    favourites_count: int
    quotes_count: int
    reblog: msgspec.Raw | None
    poll: Poll | None
    quote: Quote | ShallowQuote | None
    quote_approval: QuoteApproval
    favourited: bool | msgspec.UnsetType = UNSET
    reblogged: bool | msgspec.UnsetType = UNSET
    muted: bool | msgspec.UnsetType = UNSET
    bookmarked: bool | msgspec.UnsetType = UNSET
    pinned: bool | msgspec.UnsetType = UNSET
    filtered: Sequence[Any] | msgspec.UnsetType = UNSET
    moderation: Moderation | msgspec.UnsetType = UNSET
    text: str | msgspec.UnsetType = UNSET


def status_entity(view: StatusView, settings: Settings, *, with_text: bool = False) -> msgspec.Raw:
    """The status as JSON that is ready to be put into a larger answer.

    `with_text` adds what the author typed, as the answer to a deletion does.
    """
    return msgspec.Raw(_fixed_half(view, settings)[:-1] + b"," + _moving_half(view, settings, with_text)[1:])


def _fixed_half(view: StatusView, settings: Settings) -> bytes:
    key = (view.id, view.version, view.revision, settings.base_url)
    kept = _kept.get(key)
    if kept is not None:
        return kept
    half = _encode(
        _Fixed(
            id=str(view.id),
            created_at=iso(view.created_at),
            edited_at=iso(view.edited_at) if view.edited_at else None,
            in_reply_to_id=_text(view.in_reply_to_id),
            in_reply_to_account_id=_text(view.in_reply_to_account_id),
            spoiler_text=view.spoiler_text,
            visibility=view.visibility,
            language=view.language,
            uri=status_uri(view, settings),
            url=status_url(view, settings),
            content=view.html,
            media_attachments=[media_entity(media, settings) for media in view.media],
            mentions=[_mention(mention, settings) for mention in view.mentions],
            tags=[StatusTag(name, tag_url(settings, name)) for name in view.tags],
            application=Application(view.app_name, view.app_website) if view.app_name else None,
            card=None,
            local_only=view.local_only,
            imported=Imported(view.imported.host, view.imported.proof) if view.imported else UNSET,
        )
    )
    # A file that is still processed will look different without a new version of the status; the address of one that is
    # withheld is good for a while only.
    if view.is_committed and all(media.state == "ready" and not media.withheld for media in view.media):
        if len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = half
    return half


def _moving_half(view: StatusView, settings: Settings, with_text: bool) -> bytes:
    marked = view.viewer_id is not None
    own = marked and view.viewer_id == view.account.id
    return _encode(
        _Moving(
            account=account_entity(view.account, settings),
            sensitive=view.sensitive,
            emojis=[emoji_entity(emoji, settings) for emoji in view.emojis],
            replies_count=view.replies_count,
            reblogs_count=view.reblogs_count,
            favourites_count=view.favourites_count,
            quotes_count=view.quotes_count,
            reblog=status_entity(view.reblog, settings) if view.reblog else None,
            poll=poll_entity(view.poll, settings) if view.poll else None,
            quote=_quote(view.quote, settings) if view.quote else None,
            quote_approval=_approval(view, own=own),
            favourited=view.favourited if marked else UNSET,
            reblogged=view.reblogged if marked else UNSET,
            muted=view.muted if marked else UNSET,
            bookmarked=view.bookmarked if marked else UNSET,
            pinned=view.pinned if own else UNSET,
            filtered=[match_entity(match) for match in view.filtered] if marked else UNSET,
            moderation=moderation_entity(
                view.held.state, view.held.clause, view.held.sentence, since=view.edited_at or view.created_at
            )
            if view.held
            else UNSET,
            text=view.text if with_text else UNSET,
        )
    )


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def status_uri(view: StatusView, settings: Settings) -> str:
    """The permanent identifier of a status."""
    if view.uri:
        return view.uri
    tail = "/activity" if view.reblog else ""
    return f"{member_uri(settings, view.account.username)}/statuses/{view.id}{tail}"


def status_url(view: StatusView, settings: Settings) -> str:
    """The page of a status."""
    return view.url or view.uri or f"{member_url(settings, view.account.username)}/{view.id}"


def _mention(view: MentionView, settings: Settings) -> StatusMention:
    url = page_url(settings, view.domain, view.username, view.url, None)
    return StatusMention(str(view.id), view.username, url, view.acct)


def _approval(view: StatusView, *, own: bool) -> QuoteApproval:
    if view.visibility not in ("public", "unlisted"):
        automatic: tuple[str, ...] = ()
    else:
        automatic = {"public": ("public",), "followers": ("followers",)}.get(view.quote_policy, ())
    may = view.viewer_id is not None and can_quote(
        visibility=view.visibility,
        state=view.state,
        policy=view.quote_policy,
        is_author=own,
        follows_author=view.following_author,
    )
    return QuoteApproval(automatic, (), "automatic" if may else "denied")


def _quote(view: QuoteView, settings: Settings) -> Quote | ShallowQuote:
    if view.status is None and view.status_id is not None:
        return ShallowQuote(view.state, str(view.status_id))
    return Quote(view.state, status_entity(view.status, settings) if view.status else None)


def poll_entity(view: PollView, settings: Settings) -> Poll:
    """A poll as its reader sees it."""
    return Poll(
        id=str(view.id),
        expires_at=iso(view.expires_at),
        expired=view.expired,
        multiple=view.multiple,
        votes_count=view.votes_count,
        voters_count=view.voters_count,
        options=[PollOption(option.title, option.votes_count) for option in view.options],
        emojis=[emoji_entity(emoji, settings) for emoji in view.emojis],
        voted=UNSET if view.voted is None else view.voted,
        own_votes=UNSET if view.own_votes is None else view.own_votes,
    )


class Context(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/Context/"""

    ancestors: Sequence[msgspec.Raw]
    descendants: Sequence[msgspec.Raw]


def context_entity(view: ContextView, settings: Settings) -> Context:
    """A thread around one status."""
    return Context(
        [status_entity(status, settings) for status in view.ancestors],
        [status_entity(status, settings) for status in view.descendants],
    )


class EditOption(msgspec.Struct, frozen=True):
    """A choice of a poll as it was."""

    title: str


class EditPoll(msgspec.Struct, frozen=True):
    """A poll as it was."""

    options: Sequence[EditOption]


class StatusEdit(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/StatusEdit/"""

    content: str
    spoiler_text: str
    sensitive: bool
    created_at: str
    account: msgspec.Raw
    media_attachments: Sequence[MediaAttachment]
    emojis: Sequence[CustomEmoji]
    poll: EditPoll | msgspec.UnsetType = UNSET


def edit_entity(view: RevisionView, settings: Settings) -> StatusEdit:
    """One revision of a status."""
    poll: EditPoll | msgspec.UnsetType = UNSET
    if view.poll_options is not None:
        poll = EditPoll([EditOption(title) for title in view.poll_options])
    return StatusEdit(
        content=view.html,
        spoiler_text=view.spoiler_text,
        sensitive=view.sensitive,
        created_at=iso(view.created_at),
        account=account_entity(view.account, settings),
        media_attachments=[media_entity(media, settings) for media in view.media],
        emojis=[emoji_entity(emoji, settings) for emoji in view.emojis],
        poll=poll,
    )


class StatusSource(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/StatusSource/; `content_type` is ours."""

    id: str
    text: str
    spoiler_text: str
    content_type: str


def source_entity(view: SourceView) -> StatusSource:
    """What the author typed."""
    return StatusSource(str(view.id), view.text, view.spoiler_text, view.content_type)


class ScheduledStatus(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/ScheduledStatus/; `error` is ours: why it could not be posted."""

    id: str
    scheduled_at: str
    params: dict[str, Any]
    media_attachments: Sequence[MediaAttachment]
    error: str | msgspec.UnsetType = UNSET


def scheduled_entity(view: ScheduledView, settings: Settings) -> ScheduledStatus:
    """A status that waits for its time."""
    new = view.new
    return ScheduledStatus(
        id=str(view.id),
        scheduled_at=iso(view.scheduled_at),
        params={
            "text": new.text,
            "visibility": new.visibility,
            "sensitive": new.sensitive,
            "spoiler_text": new.spoiler_text,
            "language": new.language,
            "in_reply_to_id": new.in_reply_to_id,
            "media_ids": [str(media_id) for media_id in new.media_ids] or None,
            "poll": _scheduled_poll(view),
            "quoted_status_id": _text(new.quoted_status_id),
            **({"quote_approval_policy": new.quote_policy} if new.quote_policy else {}),
            "scheduled_at": None,
            "idempotency": None,
            "application_id": view.app_id or 0,
            "with_rate_limit": False,
            "local_only": new.local_only,
            "content_type": new.content_type,
        },
        media_attachments=[media_entity(media, settings) for media in view.media],
        error=UNSET if view.error is None else view.error,
    )


def _scheduled_poll(view: ScheduledView) -> dict[str, Any] | None:
    poll = view.new.poll
    if poll is None:
        return None
    return {
        "options": list(poll.options),
        "expires_in": poll.expires_in,
        "multiple": poll.multiple,
        "hide_totals": poll.hide_totals,
    }
