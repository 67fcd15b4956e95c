"""Accounts as they are kept as evidence: any revision of a profile, and the figures of that day.

For the desk alone: nothing of it may be shown to anybody who is not staff.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.social.accounts import store_evidence
from parley.social.accounts.profiles import Profile
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.store_evidence import AuthorFacts as AuthorFacts
from parley.social.accounts.views import AccountView
from parley.social.verdicts.reads import ResultRow, get_results


class ProfileEvidence(msgspec.Struct, frozen=True):
    """An account with one revision of its profile in the place of the shown one."""

    account: AccountView
    revision: int
    held: bool
    screening: ResultRow | None


async def list_profile_evidence(
    tx: Tx, named: Sequence[tuple[int, int | None]]
) -> dict[tuple[int, int | None], ProfileEvidence]:
    """Profiles by (account, revision) as they are asked for; revision None is the shown one. At most four queries."""
    if not named:
        return {}
    rows = await store_evidence.list_profiles(tx, named)
    accounts = await get_account_views(tx, {row.account_id for row in rows})
    results = await get_results(tx, list({row.screening_id for row in rows if row.screening_id}))
    found: dict[tuple[int, int | None], ProfileEvidence] = {}
    for row in rows:
        account = accounts.get(row.account_id)
        if account is None:
            continue
        if row.profile is not None:
            account = _with_profile(account, msgspec.convert(row.profile, Profile))
        screening = results.get(row.screening_id or 0)
        found[row.account_id, row.asked] = ProfileEvidence(account, row.revision, bool(row.held), screening)
    return found


def _with_profile(account: AccountView, profile: Profile) -> AccountView:
    return msgspec.structs.replace(
        account,
        display_name=profile.display_name,
        note=profile.note,
        note_html=profile.note_html,
        fields=profile.fields,
        avatar_file=profile.avatar.file if profile.avatar else None,
        avatar_static_file=profile.avatar.static_file if profile.avatar else None,
        header_file=profile.header.file if profile.header else None,
        header_static_file=profile.header.static_file if profile.header else None,
        avatar_description=profile.avatar_description,
        header_description=profile.header_description,
    )


async def list_author_facts(tx: Tx, ids: Sequence[int]) -> dict[int, AuthorFacts]:
    """What changes from day to day about accounts, by id: one query."""
    return await store_evidence.list_author_facts(tx, ids) if ids else {}
