"""From what an author sends to a draft: rules, what is answered and quoted, and the author's defaults.

Posting and the schedule both begin here. Nothing here stores or screens anything.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.settings import Settings
from parley.social.accounts.restrictions import check_may_post
from parley.social.accounts.views import Viewer
from parley.social.sessions.preferences import get_preferences
from parley.social.statuses import rules
from parley.social.statuses.hydrate import get_visible_body
from parley.social.statuses.store import Body
from parley.social.statuses.views import NewPoll, NewStatus
from parley.social.statuses.visibility import can_quote


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A new status after the rules that need nothing but what was sent, with what it answers and quotes."""

    new: NewStatus
    words: rules.Words
    language: str | None
    media_ids: list[int]
    poll: NewPoll | None
    parent: Body | None
    quoted: Body | None

    @property
    def needs_defaults(self) -> bool:
        """Whether something was left to the author's preferences."""
        new = self.new
        return None in (new.visibility, new.sensitive, new.quote_policy, self.language)


class Defaults(Protocol):
    """A member's preferences for new statuses."""

    @property
    def visibility(self) -> str | None:
        """One of VISIBILITIES."""

    @property
    def sensitive(self) -> bool | None:
        """Whether media are hidden at first."""

    @property
    def language(self) -> str | None:
        """A language code."""

    @property
    def quote_policy(self) -> str | None:
        """One of QUOTE_POLICIES."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A new status after the rules and defaults: everything is decided but the verdict."""

    words: rules.Words
    content_type: str
    sensitive: bool
    visibility: str
    local_only: bool
    language: str | None
    language_fallback: str | None
    quote_policy: str
    media_ids: list[int]
    poll: NewPoll | None
    parent: Body | None
    quoted: Body | None


async def check_new_status(tx: Tx, settings: Settings, viewer: Viewer, new: NewStatus) -> Checked:
    """Apply the rules; raises Invalid, NotFound for what the author may not see, Restricted for whom moderators do not
    let post. Stores nothing."""
    check_may_post(viewer)
    poll = rules.check_poll(new.poll) if new.poll else None
    media_ids = rules.check_media_ids(new.media_ids, has_poll=poll is not None)
    alone = not media_ids and poll is None and new.quoted_status_id is None
    words = rules.check_words(settings, new.text, new.spoiler_text, alone=alone)
    language = rules.check_language(new.language)
    rules.check_choice("Content type", new.content_type, rules.CONTENT_TYPES)
    if new.visibility is not None:
        rules.check_choice("Visibility", new.visibility, rules.VISIBILITIES)
    if new.quote_policy is not None:
        rules.check_choice("Quote approval policy", new.quote_policy, rules.QUOTE_POLICIES)
    parent = quoted = None
    if new.in_reply_to_id is not None:
        parent, _ = await get_visible_body(tx, viewer, new.in_reply_to_id)
    if new.quoted_status_id is not None:
        quoted = await _check_quote(tx, viewer, new.quoted_status_id)
    return Checked(
        new=new, words=words, language=language, media_ids=media_ids, poll=poll, parent=parent, quoted=quoted
    )


async def _check_quote(tx: Tx, viewer: Viewer, quoted_id: int) -> Body:
    body, tie = await get_visible_body(tx, viewer, quoted_id)
    if not can_quote(
        visibility=body.visibility,
        state=body.state,
        policy=body.quote_policy,
        is_author=body.account_id == viewer.account_id,
        follows_author=tie.following,
    ):
        raise Invalid("Validation failed: The author of this post does not allow you to quote it.")
    return body


async def load_draft(tx: Tx, viewer: Viewer, checked: Checked) -> Draft:
    """The draft by the viewer's preferences as they are now, which are asked for when they matter."""
    return complete_draft(checked, await get_preferences(tx, viewer) if checked.needs_defaults else None)


def complete_draft(checked: Checked, defaults: Defaults | None) -> Draft:
    """Fill in what was left open; raises NotFound for an author who has no preferences."""
    new, parent, quoted = checked.new, checked.parent, checked.quoted
    visibility, sensitive, policy = new.visibility, new.sensitive, new.quote_policy
    if defaults is not None:
        visibility = visibility or defaults.visibility
        sensitive = defaults.sensitive if sensitive is None else sensitive
        policy = policy or defaults.quote_policy
    if visibility is None or sensitive is None or policy is None:
        raise NotFound
    if quoted is not None and quoted.visibility == "private" and visibility in ("public", "unlisted"):
        visibility = "private"
    return Draft(
        words=checked.words,
        content_type=new.content_type,
        sensitive=sensitive or bool(checked.words.spoiler_text),
        visibility=visibility,
        # An answer to a local-only post must not carry it elsewhere.
        local_only=new.local_only or (parent is not None and parent.local_only),
        language=checked.language,
        language_fallback=defaults.language if defaults else None,
        quote_policy=policy if visibility in ("public", "unlisted") else "nobody",
        media_ids=checked.media_ids,
        poll=checked.poll,
        parent=parent,
        quoted=quoted,
    )
