"""Changes of lists. A list is its owner's alone: to anybody else it does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.social.accounts.views import Viewer
from parley.social.graph import store_lists
from parley.social.graph.reads import get_list
from parley.social.graph.views import ListView

MOST_LISTS = 50
MOST_TITLE_CHARACTERS = 256
MOST_ACCOUNTS_AT_ONCE = 500
REPLIES_POLICIES = ("followed", "list", "none")


def _check_title(title: str) -> str:
    text = title.replace("\x00", "").strip()
    if not text:
        raise Invalid(fields={"title": [("ERR_BLANK", "can't be blank")]})
    if len(text) > MOST_TITLE_CHARACTERS:
        raise Invalid(fields={"title": [("ERR_TOO_LONG", f"is longer than {MOST_TITLE_CHARACTERS} characters")]})
    return text


def _check_policy(policy: str) -> str:
    if policy not in REPLIES_POLICIES:
        raise Invalid(fields={"replies_policy": [("ERR_INCLUSION", "must be followed, list or none")]})
    return policy


async def create_list(
    tx: Tx, viewer: Viewer, title: str, *, replies_policy: str = "list", exclusive: bool = False
) -> ListView:
    """Make a list; Invalid for a wrong title or policy, or beyond 50 lists."""
    name, policy = _check_title(title), _check_policy(replies_policy)
    if await store_lists.count_lists(tx, viewer.account_id) >= MOST_LISTS:
        raise Invalid(f"Validation failed: you already have {MOST_LISTS} lists; delete one first.")
    row = await store_lists.insert_list(tx, viewer.account_id, name, policy, exclusive)
    return ListView(row.id, row.account_id, row.title, row.replies_policy, row.exclusive)


async def update_list(
    tx: Tx,
    viewer: Viewer,
    list_id: int,
    *,
    title: str | None = None,
    replies_policy: str | None = None,
    exclusive: bool | None = None,
) -> ListView:
    """Change a list of the viewer (None keeps a value); NotFound for anybody else's."""
    name = None if title is None else _check_title(title)
    policy = None if replies_policy is None else _check_policy(replies_policy)
    row = await store_lists.update_list(tx, viewer.account_id, list_id, name, policy, exclusive)
    if row is None:
        raise NotFound
    return ListView(row.id, row.account_id, row.title, row.replies_policy, row.exclusive)


async def delete_list(tx: Tx, viewer: Viewer, list_id: int) -> None:
    """Delete a list of the viewer; NotFound for anybody else's."""
    if not await store_lists.delete_list(tx, viewer.account_id, list_id):
        raise NotFound


async def add_to_list(tx: Tx, viewer: Viewer, list_id: int, account_ids: Sequence[int]) -> None:
    """Put followed accounts, or oneself, into a list of the viewer: all of them or, on an error, none.

    Raises NotFound for anybody else's list or an account that the viewer does not follow, Invalid for one
    that is already in the list.
    """
    await get_list(tx, viewer, list_id)
    wanted = _check_accounts(account_ids)
    allowed = await store_lists.list_followed_among(tx, viewer.account_id, wanted) | {viewer.account_id}
    if not set(wanted) <= allowed:
        raise NotFound
    if len(await store_lists.insert_list_accounts(tx, list_id, wanted)) < len(wanted):
        raise Invalid("Validation failed: the account is already in this list.")


async def remove_from_list(tx: Tx, viewer: Viewer, list_id: int, account_ids: Sequence[int]) -> None:
    """Take accounts out of a list of the viewer; those that are not in it are ignored."""
    await get_list(tx, viewer, list_id)
    await store_lists.delete_list_accounts(tx, list_id, _check_accounts(account_ids))


def _check_accounts(account_ids: Sequence[int]) -> list[int]:
    wanted = list(dict.fromkeys(account_ids))
    if len(wanted) > MOST_ACCOUNTS_AT_ONCE:
        raise Invalid(f"Validation failed: send at most {MOST_ACCOUNTS_AT_ONCE} accounts at once.")
    return wanted
