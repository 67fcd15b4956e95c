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
from parley.social.accounts.views import Viewer
from parley.social.statuses import store_ground
from parley.social.statuses.store_ground import Ground

_HOUR = timedelta(hours=1)


async def load_ground(tx: Tx, viewer: Viewer, addressed: Sequence[int]) -> Ground:
    """Fresh ids, the viewer's defaults, and facts about the viewer and those who are addressed. One query."""
    ground = await store_ground.get_ground(tx, viewer.account_id, addressed, id_at(now() - _HOUR))
    if ground is None:
        raise NotFound
    return ground


def facts_of(ground: Ground) -> Facts:
    """What the judge is told of it."""
    moment = now()
    return Facts(
        now=moment,
        account_age_days=max((moment - ground.created_at).total_seconds() / 86400, 0.0),
        published_statuses=ground.statuses_count,
        role=ground.role,
        local=ground.domain is None,
        domain=ground.domain,
        followers=ground.followers_count,
        following=ground.following_count,
        first_contact=ground.strangers > 0,
        posts_last_hour=ground.posts_last_hour,
    )
