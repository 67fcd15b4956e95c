"""Reading versions, rules and banks. All of it is for the staff; doors check who asks."""

from __future__ import annotations

from datetime import timedelta

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.screening.extending import BANKS
from parley.social.policies import store, store_banks, store_drafts, store_watch
from parley.social.policies.caps import hour_of
from parley.social.policies.store import ActivationRow as ActivationRow
from parley.social.policies.store_drafts import DraftRow as DraftRow
from parley.social.policies.store_watch import AlarmRow as AlarmRow
from parley.social.policies.views import EntryView, RuleView, VersionView

DAY = timedelta(hours=24)


async def list_policy_versions(tx: Tx, *, limit: int = 50) -> list[VersionView]:
    """Versions of the policy, newest first, and which of them is live."""
    live = await store.get_live(tx)
    return [
        VersionView(
            sha256=row.sha256,
            name=row.name,
            version=row.version,
            source=row.source,
            proposed_by=row.proposed_name,
            note=row.note,
            created_at=row.created_at,
            approved_by=tuple(row.approved_by),
            backtests=row.backtests,
            activated_at=row.activated_at,
            live=row.sha256 == live.policy_sha256,
        )
        for row in await store.list_versions(tx, limit=limit)
    ]


async def list_activations(tx: Tx, *, limit: int = 50) -> list[ActivationRow]:
    """What was live since when, by whom and under which conditions, newest first."""
    return await store.list_activations(tx, limit)


async def get_version_files(tx: Tx, sha256: str) -> dict[str, bytes]:
    """The files of a version, byte for byte; empty when there is none."""
    return await store.list_files(tx, sha256)


async def list_rules(tx: Tx) -> list[RuleView]:
    """The rules of the live policy, BACKGROUND ones too, with what they did in the last 24 hours."""
    moment = now()
    hour = hour_of(moment)
    counts: dict[str, list[int]] = {}
    for row in await store_watch.list_hours(tx, moment - DAY):
        sums = counts.setdefault(row.rule, [0, 0, 0])
        sums[0] += row.fired
        sums[1] += row.acted
        sums[2] += row.acted if row.hour == hour else 0
    capped = {rule for rule, _ in await store_watch.list_capped(tx, moment)}
    views = []
    for rule in screening.live_ruleset().rules:
        fired, acted, this_hour = counts.get(rule.id, (0, 0, 0))
        views.append(
            RuleView(
                id=rule.id,
                title=rule.title,
                state="EXPIRED"
                if rule.expires and moment >= rule.expires
                else "LIVE"
                if rule.decides
                else "BACKGROUND",
                outcome=rule.outcome.value,
                clause=rule.clause or rule.matches,
                cap_per_hour=rule.cap_per_hour,
                over_cap=rule.over_cap.value,
                expires=rule.expires,
                fired=fired,
                acted=acted,
                this_hour=this_hour,
                capped=rule.id in capped,
            )
        )
    return views


async def list_alarms(tx: Tx, *, limit: int = 50) -> list[AlarmRow]:
    """Alarms about rules, newest first."""
    return await store_watch.list_alarms(tx, limit)


async def list_bank(
    tx: Tx, *, bank: str = "", source: str = "", text: str = "", limit: int = 100, offset: int = 0
) -> list[EntryView]:
    """Entries of this instance's own banks; `text` is looked for in names and titles."""
    if bank and bank not in BANKS:
        return []
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return await store_banks.list_entries(tx, bank=bank, source=source, text=escaped, limit=limit, offset=offset)


async def list_entries_of_change(tx: Tx, change_id: int, *, limit: int = 1000) -> list[EntryView]:
    """What a change of the banks added: what a sweep over history looks for."""
    return await store_banks.list_entries_of_change(tx, change_id, limit)


async def count_bank(tx: Tx) -> list[tuple[str, str, str, int]]:
    """How many entries there are by bank, tier and state."""
    return await store_banks.count_entries(tx)


async def list_bank_drafts(tx: Tx, *, only_waiting: bool = True, limit: int = 50) -> list[DraftRow]:
    """Lists for banks that wait for a second person, or all of them, the newest first."""
    return await store_drafts.list_drafts(tx, None, only_waiting=only_waiting, limit=limit)


async def count_bank_drafts(tx: Tx) -> int:
    """How many lists for banks wait for a second person."""
    return await store_drafts.count_waiting(tx)


async def list_stale_drafts(tx: Tx, waits: timedelta) -> list[int]:
    """Lists that wait for longer than that."""
    return await store_drafts.list_stale(tx, now() - waits)
