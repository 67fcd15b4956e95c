"""One row of an imported file: what it asks for is done by the same action that a page or an app would call.

So every rule of those actions holds here too, and a row that breaks one fails with its sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.html import Mention
from parley.kit.ids import MAX_ID
from parley.kit.settings import Settings
from parley.social.accounts.profiles import address_key
from parley.social.accounts.reads import find_addresses
from parley.social.accounts.views import Viewer
from parley.social.archives.formats import is_address
from parley.social.discovery.reads import search
from parley.social.filters.actions import (
    FilterChange,
    KeywordChange,
    add_filtered_status,
    create_filter,
    delete_filter,
    update_filter,
)
from parley.social.filters.reads import list_filters
from parley.social.filters.views import FilterView
from parley.social.graph import archiving as graph
from parley.social.graph.actions import (
    block_account,
    block_domain,
    follow_account,
    mute_account,
    unblock_account,
    unblock_domain,
    unfollow_account,
    unmute_account,
)
from parley.social.graph.list_actions import add_to_list, create_list, delete_list, remove_from_list
from parley.social.graph.reads import get_relationship, list_lists
from parley.social.statuses.archiving import list_bookmarked_ids
from parley.social.statuses.marks import bookmark_status, unbookmark_status

UNKNOWN = "Nobody with this address is known here."
UNKNOWN_POST = "There is no such post here, or you may not see it."
BATCH = 1000


# ---- doing -----------------------------------------------------------------------------------------


async def apply_row(tx: Tx, settings: Settings, viewer: Viewer, kind: str, row: dict[str, Any]) -> None:
    """Do what a row of a file of this kind says; doing it again changes nothing. Raises ParleyError with a sentence."""
    if kind == "domain_blocking":
        await block_domain(tx, viewer, row["domain"])
    elif kind == "bookmarks":
        await bookmark_status(tx, viewer, await _find_status(tx, settings, viewer, row["uri"]))
    elif kind == "custom_filters":
        await _apply_filter(tx, settings, viewer, row)
    else:
        await _apply_person(tx, viewer, kind, row, await _find_person(tx, settings, row["address"]))


async def _apply_person(tx: Tx, viewer: Viewer, kind: str, row: dict[str, Any], target_id: int) -> None:
    if kind == "following":
        languages = row["languages"]
        await follow_account(
            tx, viewer, target_id, reblogs=row["show_reblogs"], notify=row["notify"], languages=languages
        )
    elif kind == "blocking":
        await block_account(tx, viewer, target_id)
    elif kind == "muting":
        await mute_account(tx, viewer, target_id, notifications=row["hide_notifications"])
    else:
        await _apply_list(tx, viewer, row["title"], target_id)


async def _apply_list(tx: Tx, viewer: Viewer, title: str, target_id: int) -> None:
    """As Mastodon does: a list that is missing is made, and who is in it is followed."""
    lists = {one.title: one.id for one in await list_lists(tx, viewer)}
    list_id = lists[title] if title in lists else (await create_list(tx, viewer, title)).id
    if target_id != viewer.account_id:
        relationship = await get_relationship(tx, viewer, target_id)
        if not relationship.following:
            relationship = await follow_account(tx, viewer, target_id)
        if not relationship.following:
            raise Invalid("You asked to follow this account; once it agrees, put it into the list.")
    if target_id not in await graph.list_members_of(tx, viewer, list_id):
        await add_to_list(tx, viewer, list_id, [target_id])


async def _apply_filter(tx: Tx, settings: Settings, viewer: Viewer, row: dict[str, Any]) -> None:
    title, contexts = str(row["title"]).strip(), tuple(row["context"])
    present = next((one for one in await list_filters(tx, viewer) if one.title == title), None)
    words = {one.keyword for one in present.keywords} if present else set()
    change = FilterChange(
        title=title,
        contexts=contexts,
        action=row["action"],
        expires_in=_expiry(row["expire_at"]),
        keywords=[
            KeywordChange(keyword=one["keyword"], whole_word=one["whole_word"])
            for one in row["keywords_attributes"]
            if one["keyword"].strip() not in words
        ],
    )
    made: FilterView
    made = await (update_filter(tx, viewer, present.id, change) if present else create_filter(tx, viewer, change))
    listed = {entry.status_id for entry in made.statuses}
    for uri in row["statuses"]:
        try:
            status_id = await _find_status(tx, settings, viewer, uri)
        except NotFound:
            continue  # the filter itself counts; posts of elsewhere are not known here
        if status_id not in listed:
            await add_filtered_status(tx, viewer, made.id, status_id)


def _expiry(written: str | None) -> int:
    """Seconds until then, 0 for never; Invalid for what is over already."""
    if not written:
        return 0
    try:
        moment = msgspec.convert(written, datetime)
        left = (moment - now()).total_seconds()
    except (msgspec.ValidationError, TypeError) as error:
        raise Invalid("This filter ends at a time that cannot be read.") from error
    if left < 1:
        raise Invalid("This filter has ended already.")
    return int(left)


async def _find_person(tx: Tx, settings: Settings, address: str) -> int:
    ids = await find_people(tx, settings, [address])
    if address.lower() not in ids:
        raise NotFound(UNKNOWN)
    return ids[address.lower()]


async def find_people(tx: Tx, settings: Settings, addresses: Collection[str]) -> dict[str, int]:
    """Ids by lower-case address of those who are known here: one query, however many."""
    mentions = {}
    for address in addresses:
        if is_address(address):
            username, _, domain = address.partition("@")
            mentions[address.lower()] = Mention(username, domain.lower() or None)
    rows = await find_addresses(tx, settings, list(mentions.values()))
    known = {(row.username.lower(), row.domain): row.id for row in rows if row.state != "deleted"}
    keys = {address: address_key(settings, mention) for address, mention in mentions.items()}
    return {address: known[key] for address, key in keys.items() if key in known}


async def _find_status(tx: Tx, settings: Settings, viewer: Viewer, uri: str) -> int:
    if not uri.startswith(("http://", "https://")):
        raise NotFound(UNKNOWN_POST)
    found = (await search(tx, viewer, settings, uri)).statuses
    if not found:
        raise NotFound(UNKNOWN_POST)
    return found[0].id


# ---- before an overwrite -----------------------------------------------------------------------------


async def list_unnamed(
    tx: Tx, settings: Settings, viewer: Viewer, kind: str, rows: Sequence[dict[str, Any]]
) -> list[Any]:
    """What the viewer has and the file does not name: an overwrite takes it away.

    Ids of accounts, statuses, lists or filters, or domains; for lists, also pairs of a list and an account.
    """
    if kind == "domain_blocking":
        named_domains = {row["domain"] for row in rows}
        return [domain for domain in await graph.list_all_domains(tx, viewer) if domain not in named_domains]
    if kind == "custom_filters":
        titles = {str(row["title"]).strip() for row in rows}
        return [one.id for one in await list_filters(tx, viewer) if one.title not in titles]
    if kind == "lists":
        return await _unnamed_in_lists(tx, settings, viewer, rows)
    if kind == "bookmarks":
        return await _unnamed_bookmarks(tx, settings, viewer, rows)
    named = set((await find_people(tx, settings, {row["address"] for row in rows})).values())
    read = {
        "following": graph.list_following_ids,
        "blocking": graph.list_blocked_ids,
        "muting": graph.list_muted_ids,
    }[kind]
    unnamed: list[Any] = []
    after = 0
    while ids := await read(tx, viewer, after, BATCH):
        unnamed += [one for one in ids if one not in named]
        after = ids[-1]
    return unnamed


async def _unnamed_in_lists(tx: Tx, settings: Settings, viewer: Viewer, rows: Sequence[dict[str, Any]]) -> list[Any]:
    ids = await find_people(tx, settings, {row["address"] for row in rows})
    wanted = {(row["title"], ids.get(row["address"].lower())) for row in rows}
    titles = {title for title, _ in wanted}
    unnamed: list[Any] = []
    for one in await list_lists(tx, viewer):
        if one.title not in titles:
            unnamed.append(one.id)
            continue
        members = await graph.list_members_of(tx, viewer, one.id)
        unnamed += [(one.id, member) for member in sorted(members) if (one.title, member) not in wanted]
    return unnamed


async def _unnamed_bookmarks(tx: Tx, settings: Settings, viewer: Viewer, rows: Sequence[dict[str, Any]]) -> list[Any]:
    named = set()
    for row in rows:
        try:
            named.add(await _find_status(tx, settings, viewer, row["uri"]))
        except NotFound:
            continue
    unnamed: list[Any] = []
    before = MAX_ID
    while ids := await list_bookmarked_ids(tx, viewer, before, BATCH):
        unnamed += [one for one in ids if one not in named]
        before = ids[-1]
    return unnamed


async def clear_unnamed(
    db: Database, settings: Settings, viewer: Viewer, kind: str, rows: Sequence[dict[str, Any]]
) -> int:
    """Take away what the file does not name, each in a transaction of its own; returns how much."""
    async with db.read() as tx:
        unnamed = await list_unnamed(tx, settings, viewer, kind, rows)
    for one in unnamed:
        async with db.write() as tx:
            await _remove(tx, viewer, kind, one)
    return len(unnamed)


async def _remove(tx: Tx, viewer: Viewer, kind: str, one: Any) -> None:
    try:
        if kind == "lists":
            if isinstance(one, tuple):
                await remove_from_list(tx, viewer, one[0], [one[1]])
            else:
                await delete_list(tx, viewer, one)
        elif kind == "following":
            await unfollow_account(tx, viewer, one)
        elif kind == "blocking":
            await unblock_account(tx, viewer, one)
        elif kind == "muting":
            await unmute_account(tx, viewer, one)
        elif kind == "domain_blocking":
            await unblock_domain(tx, viewer, one)
        elif kind == "bookmarks":
            await unbookmark_status(tx, viewer, one)
        else:
            await delete_filter(tx, viewer, one)
    except NotFound:
        return  # gone meanwhile: that is what was wanted
