"""Reporters: how often each was right, who is not listened to any more, and who is listened to first.

Reliability is worked out from the outcomes of reports; older ones count less. Mutes and trust are given by people.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.safety.cases import store_reporters
from parley.safety.cases.priority import decayed, reliability_of
from parley.safety.cases.reads import get_reporter
from parley.safety.cases.views import ReporterView
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, human, system
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer

MOST_NOTE = 500


async def mute_reporter(tx: Tx, viewer: Viewer, account_id: int, *, muted: bool = True) -> ReporterView:
    """Listen no more (or again) to what an account reports: it is stored, closes by itself, and nobody is told so.

    For the staff. Raises NotFound; Invalid for the staff's own accounts and for a trusted flagger.
    """
    if not viewer.is_staff:
        raise NotFound
    account = (await get_account_views(tx, [account_id])).get(account_id)
    if account is None:
        raise NotFound
    row = await store_reporters.get_reporter(tx, account_id)
    if muted and account.role != "member":
        raise Invalid("Somebody of the staff cannot be muted.")
    if muted and row is not None and row.flagger_since is not None:
        raise Invalid("A trusted flagger cannot be muted. Take the trust back first: `parley flagger remove`.")
    about = Subject("account", account_id)
    await append_event(tx, human(viewer), "reporter_muted" if muted else "reporter_unmuted", subject=about)
    moment, by = (now(), viewer.account_id) if muted else (None, None)
    await store_reporters.upsert_muted(tx, account_id, moment, by)
    return await get_reporter(tx, viewer, account_id)


async def trust_flagger(tx: Tx, actor: Actor, account_id: int, *, trusted: bool = True, note: str = "") -> None:
    """Give somebody's reports a lane of their own, or take it back. For operators: the caller checks that.

    Raises NotFound; Invalid for a muted reporter, and for a note that is too long.
    """
    if account_id not in await get_account_views(tx, [account_id]):
        raise NotFound("There is no such account.")
    if len(note) > MOST_NOTE:
        raise Invalid(f"The note is longer than {MOST_NOTE} characters.")
    row = await store_reporters.get_reporter(tx, account_id)
    if trusted and row is not None and row.muted_at is not None:
        raise Invalid("This reporter is muted. Unmute the account first.")
    acted, wrong = (row.acted, row.not_acted) if row else (0.0, 0.0)
    about = Subject("account", account_id)
    await append_event(tx, actor, "flagger_trusted" if trusted else "flagger_distrusted", subject=about)
    await store_reporters.upsert_flagger(
        tx, account_id, now() if trusted else None, note.strip(), reliability_of(acted, wrong, trusted=trusted)
    )


async def weigh_accounts(tx: Tx, account_ids: Sequence[int]) -> None:
    """Work out anew how reliable these reporters are: from scratch, so that it may be done twice."""
    if not account_ids:
        return
    moment = now()
    known = await store_reporters.list_reporters(tx, account_ids)
    sums = {account_id: [0, 0.0, 0.0] for account_id in account_ids}
    for outcome in await store_reporters.list_outcomes(tx, account_ids):
        one = sums[outcome.account_id]
        one[0] += 1
        one[1 if outcome.acted else 2] += decayed(moment - outcome.closed_at)
    weighed = []
    for account_id, (reports, acted, wrong) in sums.items():
        row = known.get(account_id)
        trusted = row is not None and row.flagger_since is not None
        weighed.append((account_id, int(reports), acted, wrong, reliability_of(acted, wrong, trusted=trusted)))
    await append_event(tx, system("reporters"), "reporters_weighed", count=len(weighed))
    await store_reporters.upsert_weighed(tx, weighed, moment)
