"""Reads of the graph: relationships, followers, requests, blocks, mutes, lists, suggestions.

Who may see what is decided here: a member's own edges only, except followers and followed accounts, which
others see unless the member hides them. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.paging import Page
from parley.social.accounts.reads import get_account, get_account_views, list_accounts, list_directory
from parley.social.accounts.views import AccountView, Viewer
from parley.social.graph import store, store_blocks, store_lists, store_people
from parley.social.graph.views import (
    AccountsPage,
    DomainsPage,
    FamiliarView,
    ListView,
    MutedView,
    MutesPage,
    RelationshipView,
    SuggestionView,
)

MOST_RELATIONSHIPS = 200
MOST_FAMILIAR_TARGETS = 40
MOST_FAMILIAR_EACH = 10
MOST_HIDDEN = 10_000
FRIENDS_ASKED = 100
FOLLOWS_OF_EACH_FRIEND = 200
ACTIVE_LOOKED_AT = 200
SHOWN_STATES = ("active", "limited")


# ---- for other rooms -----------------------------------------------------------------------------


async def is_blocked_either(tx: Tx, one_id: int, other_id: int) -> bool:
    """Whether one of the two accounts blocks the other."""
    return await store_blocks.has_block_either(tx, one_id, other_id)


async def is_following(tx: Tx, account_id: int, target_id: int) -> bool:
    """Whether `account_id` follows `target_id`."""
    return await store.has_follow(tx, account_id, target_id)


async def list_follower_ids(tx: Tx, account_id: int, after: int = 0, limit: int = 1000) -> list[int]:
    """Ids of all followers, ascending, a slice at a time: pass the last id of one slice as `after`."""
    return await store.list_follower_ids(tx, account_id, after, limit)


async def list_notified_follower_ids(tx: Tx, account_id: int, after: int = 0, limit: int = 1000) -> list[int]:
    """Like `list_follower_ids`, those alone who asked to be notified of every post."""
    return await store.list_notified_follower_ids(tx, account_id, after, limit)


async def list_followed_ids(tx: Tx, account_id: int, after: int = 0, limit: int = 1000) -> list[int]:
    """Ids of all followed accounts in ascending order, a slice at a time."""
    return await store.list_followed_ids(tx, account_id, after, limit)


async def list_waiting_ids(tx: Tx, account_id: int, after: int = 0, limit: int = 1000) -> list[int]:
    """Ids of accounts that wait for an answer of `account_id`, ascending, a slice at a time."""
    return await store.list_waiting_ids(tx, account_id, after, limit)


async def list_asked_ids(tx: Tx, account_id: int, after: int = 0, limit: int = 1000) -> list[int]:
    """Ids of accounts whose answer `account_id` waits for, ascending, a slice at a time."""
    return await store.list_asked_ids(tx, account_id, after, limit)


async def list_hidden_ids(tx: Tx, viewer: Viewer) -> list[int]:
    """Ids of those whom the viewer blocks or mutes, or who block the viewer: at most 10,000, in no order."""
    return await store_blocks.list_hidden_ids(tx, viewer.account_id, now(), MOST_HIDDEN)


async def count_follow_requests(tx: Tx, viewer: Viewer) -> int:
    """How many wait for the viewer's answer."""
    return await store.count_follow_requests(tx, viewer.account_id)


# ---- relationships -------------------------------------------------------------------------------


async def get_relationships(
    tx: Tx, viewer: Viewer, account_ids: Sequence[int], *, with_suspended: bool = False
) -> list[RelationshipView]:
    """How the viewer stands to each account, in the order asked and without repeats.

    Unknown accounts are left out; suspended ones too, unless `with_suspended`. The number of queries is
    fixed. At most 200 accounts are answered.
    """
    wanted = list(dict.fromkeys(account_ids))[:MOST_RELATIONSHIPS]
    accounts = await get_account_views(tx, wanted)
    known = [
        account_id
        for account_id in wanted
        if account_id in accounts and (with_suspended or accounts[account_id].state in SHOWN_STATES)
    ]
    if not known:
        return []
    domains = {account.domain for account in accounts.values() if account.domain is not None}
    shunned = (
        await store_blocks.list_blocked_domains_among(tx, viewer.account_id, sorted(domains)) if domains else set()
    )
    rows = await store.list_relationships(tx, viewer.account_id, known, now())
    return [_present(row, accounts[row.id], shunned) for row in rows]


def _present(row: store.RelationshipRow, account: AccountView, shunned: set[str]) -> RelationshipView:
    return RelationshipView(
        id=row.id,
        following=row.following,
        showing_reblogs=row.show_reblogs,
        notifying=row.notify,
        languages=tuple(row.languages) if row.languages is not None else None,
        followed_by=row.followed_by,
        requested=row.requested,
        requested_by=row.requested_by,
        blocking=row.blocking,
        blocked_by=row.blocked_by,
        muting=row.muting,
        muting_notifications=row.muting_notifications,
        muting_expires_at=row.muting_expires_at,
        domain_blocking=account.domain in shunned,
        endorsed=row.endorsed,
        note=row.note,
    )


async def get_relationship(tx: Tx, viewer: Viewer, account_id: int) -> RelationshipView:
    """How the viewer stands to one account, suspended or not; NotFound when there is no such account."""
    found = await get_relationships(tx, viewer, [account_id], with_suspended=True)
    if not found:
        raise NotFound
    return found[0]


# ---- pages of accounts ---------------------------------------------------------------------------


async def _hydrate(tx: Tx, viewer: Viewer | None, rows: list[store.EdgeRow]) -> AccountsPage:
    """The accounts of a page of edges; those whom the viewer may not see are left out, the bounds stay."""
    if not rows:
        return AccountsPage([])
    accounts = await list_accounts(tx, viewer, [row.account_id for row in rows])
    return AccountsPage(accounts, rows[0].id, rows[-1].id)


def _hides_collections(account: AccountView, viewer: Viewer | None) -> bool:
    return account.hide_collections and (viewer is None or viewer.account_id != account.id)


async def list_followers(tx: Tx, viewer: Viewer | None, account_id: int, page: Page) -> AccountsPage:
    """Who follows the account: empty for others when it hides its collections or one blocks the other."""
    account = await get_account(tx, viewer, account_id)
    if await _is_closed_to(tx, viewer, account):
        return AccountsPage([])
    rows = await store.list_followers(tx, account_id, page, viewer.account_id if viewer else 0)
    return await _hydrate(tx, viewer, rows)


async def list_following(tx: Tx, viewer: Viewer | None, account_id: int, page: Page) -> AccountsPage:
    """Whom the account follows: empty for others when it hides its collections or one blocks the other."""
    account = await get_account(tx, viewer, account_id)
    if await _is_closed_to(tx, viewer, account):
        return AccountsPage([])
    rows = await store.list_following(tx, account_id, page, viewer.account_id if viewer else 0)
    return await _hydrate(tx, viewer, rows)


async def list_endorsements(tx: Tx, viewer: Viewer | None, account_id: int, page: Page) -> AccountsPage:
    """Whom the account features on its profile; empty when one of it and the viewer blocks the other."""
    account = await get_account(tx, viewer, account_id)
    if await _is_blocking(tx, viewer, account):
        return AccountsPage([])
    rows = await store_people.list_endorsements(tx, account_id, page, viewer.account_id if viewer else 0)
    return await _hydrate(tx, viewer, rows)


async def _is_closed_to(tx: Tx, viewer: Viewer | None, account: AccountView) -> bool:
    return _hides_collections(account, viewer) or await _is_blocking(tx, viewer, account)


async def _is_blocking(tx: Tx, viewer: Viewer | None, account: AccountView) -> bool:
    if viewer is None or viewer.account_id == account.id:
        return False
    return await store_blocks.has_block_either(tx, viewer.account_id, account.id)


async def list_follow_requests(tx: Tx, viewer: Viewer, page: Page) -> AccountsPage:
    """Who waits for the viewer's answer."""
    return await _hydrate(tx, viewer, await store.list_follow_requests(tx, viewer.account_id, page))


async def list_blocks(tx: Tx, viewer: Viewer, page: Page) -> AccountsPage:
    """Whom the viewer blocks."""
    return await _hydrate(tx, viewer, await store_blocks.list_blocks(tx, viewer.account_id, page))


async def list_mutes(tx: Tx, viewer: Viewer, page: Page) -> MutesPage:
    """Whom the viewer mutes now, and until when."""
    rows = await store_blocks.list_mutes(tx, viewer.account_id, page, now())
    if not rows:
        return MutesPage([])
    accounts = await list_accounts(tx, viewer, [row.account_id for row in rows])
    ends = {row.account_id: row.expires_at for row in rows}
    return MutesPage([MutedView(account, ends[account.id]) for account in accounts], rows[0].id, rows[-1].id)


async def list_domain_blocks(tx: Tx, viewer: Viewer, page: Page) -> DomainsPage:
    """The domains that the viewer blocks."""
    rows = await store_blocks.list_domain_blocks(tx, viewer.account_id, page)
    if not rows:
        return DomainsPage([])
    return DomainsPage([row.domain for row in rows], rows[0].id, rows[-1].id)


# ---- familiar followers and suggestions ----------------------------------------------------------


async def familiar_followers(tx: Tx, viewer: Viewer, account_ids: Sequence[int]) -> list[FamiliarView]:
    """For each account its followers whom the viewer follows, at most ten.

    Nobody who hides collections shows up on either side: it would tell whom they follow, or who follows them.
    """
    wanted = list(dict.fromkeys(account_ids))[:MOST_FAMILIAR_TARGETS]
    targets = {account.id: account for account in await list_accounts(tx, viewer, wanted)}
    open_targets = [key for key, account in targets.items() if not _hides_collections(account, viewer)]
    rows = await store_people.list_familiar(tx, viewer.account_id, open_targets, MOST_FAMILIAR_EACH)
    people = await list_accounts(tx, viewer, list(dict.fromkeys(row.follower_id for row in rows)))
    shown = {person.id: person for person in people if not _hides_collections(person, viewer)}
    result = []
    for account_id in wanted:
        if account_id in targets:
            friends = [row.follower_id for row in rows if row.target_id == account_id]
            result.append(FamiliarView(account_id, [shown[friend] for friend in friends if friend in shown]))
    return result


async def suggest_accounts(tx: Tx, viewer: Viewer, *, limit: int = 40) -> list[SuggestionView]:
    """Discoverable accounts to follow: friends of friends first, then the most followed of those active lately.

    Leaves out whom the viewer follows, asked, blocks, mutes or dismissed, and what friends who hide their
    collections follow. The newest 100 friends are asked for their newest 200 follows.
    """
    found = [
        SuggestionView(account, ("friends_of_friends",)) for account in await _friends_of_friends(tx, viewer, limit)
    ]
    if len(found) < limit:
        known = {suggestion.account.id for suggestion in found}
        popular = [account for account in await _most_followed(tx, viewer) if account.id not in known]
        found += [SuggestionView(account, ("most_followed",)) for account in popular]
    return found[:limit]


async def _friends_of_friends(tx: Tx, viewer: Viewer, limit: int) -> list[AccountView]:
    recent = await store_people.list_recently_followed_ids(tx, viewer.account_id, FRIENDS_ASKED)
    friends = await get_account_views(tx, recent)
    asked = [friend.id for friend in friends.values() if friend.state in SHOWN_STATES and not friend.hide_collections]
    if not asked:
        return []
    found = await store_people.list_friends_of_friends(tx, viewer.account_id, asked, FOLLOWS_OF_EACH_FRIEND, limit * 2)
    return await _suggestable(tx, viewer, await list_accounts(tx, viewer, found))


async def _most_followed(tx: Tx, viewer: Viewer) -> list[AccountView]:
    active = await list_directory(tx, viewer, local=True, limit=ACTIVE_LOOKED_AT)
    unwanted = await store_people.list_unwanted_among(tx, viewer.account_id, [account.id for account in active])
    left_out = {*unwanted, viewer.account_id}
    fit = await _suggestable(tx, viewer, [account for account in active if account.id not in left_out])
    return sorted(fit, key=lambda account: account.followers_count, reverse=True)


async def _suggestable(tx: Tx, viewer: Viewer, accounts: list[AccountView]) -> list[AccountView]:
    fit = [account for account in accounts if account.discoverable and account.state == "active"]
    domains = {account.domain for account in fit if account.domain is not None}
    shunned = (
        await store_blocks.list_blocked_domains_among(tx, viewer.account_id, sorted(domains)) if domains else set()
    )
    return [account for account in fit if account.domain not in shunned]


# ---- lists ---------------------------------------------------------------------------------------


def _as_list(row: store_lists.ListRow) -> ListView:
    return ListView(row.id, row.account_id, row.title, row.replies_policy, row.exclusive)


async def list_lists(tx: Tx, viewer: Viewer) -> list[ListView]:
    """The viewer's lists, oldest first."""
    return [_as_list(row) for row in await store_lists.list_lists(tx, viewer.account_id)]


async def get_list(tx: Tx, viewer: Viewer, list_id: int) -> ListView:
    """A list of the viewer; NotFound for anybody else's."""
    row = await store_lists.get_list(tx, viewer.account_id, list_id)
    if row is None:
        raise NotFound
    return _as_list(row)


async def list_list_accounts(tx: Tx, viewer: Viewer, list_id: int, page: Page) -> AccountsPage:
    """Who is in the viewer's list, last added first; NotFound for anybody else's list."""
    await get_list(tx, viewer, list_id)
    return await _hydrate(tx, viewer, await store_lists.list_list_accounts(tx, list_id, page))


async def lists_with_account(tx: Tx, viewer: Viewer, account_id: int) -> list[ListView]:
    """The viewer's lists that the account is in; NotFound when the account is invisible."""
    await get_account(tx, viewer, account_id)
    return [_as_list(row) for row in await store_lists.list_lists_with(tx, viewer.account_id, account_id)]
