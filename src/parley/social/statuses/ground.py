"""What a new status or an edit starts from, and the facts that the judge is told about its setting.

Gathered in one statement for the whole write. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.ids import id_at
from parley.screening import Facts
from parley.screening.near_duplicates import Fingerprint, difference
from parley.social.accounts.views import Viewer
from parley.social.statuses import store_ground
from parley.social.statuses.copies import SAME
from parley.social.statuses.store_ground import Ground, Setting

_TEN_MINUTES = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_MONTH = timedelta(days=30)


async def load_ground(
    tx: Tx,
    viewer: Viewer,
    targets: Sequence[int],
    fingerprint: Fingerprint | None,
    *,
    parent_id: int | None = None,
    conversation_id: int | None = None,
) -> Ground:
    """Fresh ids, the viewer's defaults, and facts about the viewer and the setting. One query.

    `targets` are those whom the text addresses, answers or quotes.
    """
    moment = now()
    setting = Setting(
        author_id=viewer.account_id,
        target_ids=[account_id for account_id in dict.fromkeys(targets) if account_id != viewer.account_id],
        ten_minutes_id=id_at(moment - _TEN_MINUTES),
        hour_id=id_at(moment - _HOUR),
        month_id=id_at(moment - _MONTH),
        parent_id=parent_id,
        conversation_id=conversation_id,
        bands=fingerprint.bands if fingerprint is not None and fingerprint.telling else None,
    )
    ground = await store_ground.get_ground(tx, setting)
    if ground is None:
        raise NotFound
    return ground


def facts_of(ground: Ground, fingerprint: Fingerprint | None) -> Facts:
    """What the judge is told of it. `fingerprint` is that of the text which is judged."""
    moment = now()
    removed: list[str] = []
    if fingerprint is not None and ground.removed:
        removed = [
            clause or "" for clause, letters in ground.removed if difference(letters, fingerprint.letters) <= SAME
        ]
    return Facts(
        now=moment,
        account_age_days=max((moment - ground.created_at).total_seconds() / 86400, 0.0),
        published_statuses=ground.statuses_count,
        role=ground.role,
        local=ground.domain is None,
        domain=ground.domain,
        followers=ground.followers_count,
        following=ground.following_count,
        first_contact=bool(ground.strangers),
        strikes=ground.strikes,
        posts_last_hour=ground.posts[1],
        posts_ten_minutes=ground.posts[2],
        published_month=ground.posts[0],
        held_month=ground.stopped[0],
        removed_month=ground.stopped[1],
        refused_month=ground.refused[0],
        refused_hour=ground.refused[1],
        reporters_week=ground.reporters,
        cluster_size=ground.cluster_size,
        linked_banned=ground.linked_banned,
        people_hour=ground.people_hour,
        strangers=len(ground.strangers),
        unanswered=ground.unanswered,
        strangers_at_target_hour=ground.pressure,
        reply_depth=ground.depth,
        thread_posts=ground.thread[0],
        thread_people=ground.thread[1],
        copies_hour_accounts=ground.copies[0],
        copies_hour_own=ground.copies[1],
        copies_removed=len(removed),
        copies_removed_clause=next(filter(None, removed), ""),
    )
