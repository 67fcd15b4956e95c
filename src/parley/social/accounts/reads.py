"""Reading accounts: what a viewer may see of them, and what other rooms need to know.

`get_account_views` is on the path of every page. It asks the database for stamps and counters alone, and
for the rest only of accounts that changed since this process last saw them. The very same AccountView
object is returned while nothing changed, so that doors may keep what they made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.html import Mention
from parley.kit.settings import Settings
from parley.screening import Facts
from parley.social.accounts import profiles, store, store_emojis, store_instance
from parley.social.accounts.profiles import Profile
from parley.social.accounts.store import AccountRow
from parley.social.accounts.store import AddressRow as AddressRow
from parley.social.accounts.views import AccountHead, AccountView, EmojiView, FieldView, Viewer
from parley.social.accounts.visibility import may_see_account
from parley.social.verdicts.reads import get_results

MOST_KEPT = 5_000
"""How many accounts one process keeps: about 3 KiB each."""

MOST_SKIPPED = 5_000
"""The furthest that a list paged by number may be read into."""

_ADDRESS = re.compile(r"[\w.-]{1,64}@[\w.:-]{1,255}")

_kept: dict[int, tuple[AccountHead, AccountView]] = {}


async def get_account_views(tx: Tx, ids: Iterable[int]) -> dict[int, AccountView]:
    """Accounts by id, whoever asks and whatever their state: for hydrating, never to be shown unchecked.

    One query, and a second one when this process has not seen one of them in its present version.
    """
    wanted = list(set(ids))
    return await complete_heads(tx, await store.list_heads(tx, wanted)) if wanted else {}


async def complete_heads(tx: Tx, heads: Iterable[AccountHead]) -> dict[int, AccountView]:
    """The accounts of these heads by id, from memory where this process has them: one query, or none."""
    views: dict[int, AccountView] = {}
    missing: dict[int, AccountHead] = {}
    for head in heads:
        kept = _kept.get(head.id)
        if kept is None or (kept[0].version, kept[0].updated_at) != (head.version, head.updated_at):
            missing[head.id] = head
        elif kept[0] == head:
            views[head.id] = kept[1]
        else:
            views[head.id] = _keep(head, _counted(kept[1], head))
    if missing:
        for row in await store.list_accounts(tx, list(missing)):
            view = _view_of(row, missing[row.id])
            # A change between the two queries must not be kept under the older stamp.
            if (row.version, row.updated_at) == (missing[row.id].version, missing[row.id].updated_at):
                _keep(missing[row.id], view)
            views[row.id] = view
    return views


def _keep(head: AccountHead, view: AccountView) -> AccountView:
    _kept.pop(head.id, None)
    if len(_kept) >= MOST_KEPT:
        del _kept[next(iter(_kept))]
    _kept[head.id] = (head, view)
    return view


def _counted(view: AccountView, head: AccountHead) -> AccountView:
    return msgspec.structs.replace(
        view,
        statuses_count=head.statuses_count,
        followers_count=head.followers_count,
        following_count=head.following_count,
        last_status_at=head.last_status_at,
    )


def _view_of(row: AccountRow, head: AccountHead) -> AccountView:
    values = {name: getattr(row, name) for name in AccountRow.__struct_fields__}
    del values["updated_at"]
    values["fields"] = msgspec.convert(row.fields, tuple[FieldView, ...])
    values["emojis"] = tuple(EmojiView(*emoji) for emoji in row.emojis or ())
    values["attribution_domains"] = tuple(row.attribution_domains)
    return AccountView(
        **values,
        statuses_count=head.statuses_count,
        followers_count=head.followers_count,
        following_count=head.following_count,
        last_status_at=head.last_status_at,
    )


async def get_account(tx: Tx, viewer: Viewer | None, account_id: int) -> AccountView:
    """The account as `viewer` may see it; raises NotFound for what is missing or invisible.

    The owner sees a profile that waits for a decision, with `held` set.
    """
    view = (await get_account_views(tx, [account_id])).get(account_id)
    if view is None or not may_see_account(viewer, view):
        raise NotFound
    if viewer is not None and viewer.account_id == account_id and view.held_revision is not None:
        return await _with_held(tx, view, view.held_revision)
    return view


async def get_own_account(tx: Tx, viewer: Viewer) -> AccountView:
    """The viewer's own account, in whatever state, with what waits for a decision."""
    return await get_account(tx, viewer, viewer.account_id)


async def _with_held(tx: Tx, view: AccountView, revision: int) -> AccountView:
    row = await store.get_profile_revision(tx, view.id, revision)
    if row is None:
        return view
    profile = msgspec.convert(row.profile, Profile)
    emojis = await load_emojis(tx, profile.emojis)
    result = (await get_results(tx, [row.screening_id])).get(row.screening_id)
    return msgspec.structs.replace(
        view,
        display_name=profile.display_name,
        note=profile.note,
        note_html=profile.note_html,
        fields=profile.fields,
        emojis=tuple(emojis.values()),
        avatar_file=profile.avatar.file if profile.avatar else None,
        avatar_static_file=profile.avatar.static_file if profile.avatar else None,
        header_file=profile.header.file if profile.header else None,
        header_static_file=profile.header.static_file if profile.header else None,
        avatar_description=profile.avatar_description,
        header_description=profile.header_description,
        held=True,
        held_sentence=row.sentence,
        held_clause=result.clause if result else None,
        held_since=row.created_at,
    )


async def list_accounts(tx: Tx, viewer: Viewer | None, ids: Sequence[int]) -> list[AccountView]:
    """The accounts in the order of `ids`, without those that are missing or invisible."""
    views = await get_account_views(tx, ids)
    return [view for id_ in ids if (view := views.get(id_)) and may_see_account(viewer, view)]


async def get_account_by_address(tx: Tx, viewer: Viewer | None, address: str, settings: Settings) -> AccountView:
    """`alice`, `@alice`, `alice@our.domain` or `remi@remote.example`; raises NotFound. Asks no other
    server."""
    username, _, domain = address.strip().removeprefix("@").partition("@")
    found = await find_addresses(tx, settings, [Mention(username, domain.lower() or None)])
    for row in found:
        return await get_account(tx, viewer, row.id)
    raise NotFound


async def find_addresses(tx: Tx, settings: Settings, mentions: Iterable[Mention]) -> list[store.AddressRow]:
    """Who is known under these addresses, in any state and no order: one query, or none without mentions."""
    possible = (mention for mention in mentions if _ADDRESS.fullmatch(f"{mention.username}@{mention.domain or 'x'}"))
    keys = list(dict.fromkeys(profiles.address_key(settings, mention) for mention in possible))
    return await store.list_by_address(tx, keys) if keys else []


async def get_account_id(tx: Tx, username: str, domain: str | None = None) -> int | None:
    """The id behind an address (None: a member), in any state; for operators' commands and other rooms."""
    rows = await store.list_by_address(tx, [(username.lower(), domain)])
    return rows[0].id if rows else None


async def has_held_profile(tx: Tx, account_id: int) -> bool:
    """Whether a revision of the profile waits for a decision."""
    view = (await get_account_views(tx, [account_id])).get(account_id)
    return view is not None and view.held_revision is not None


async def search_accounts(
    tx: Tx,
    viewer: Viewer | None,
    text: str,
    settings: Settings,
    *,
    limit: int = 40,
    offset: int = 0,
    friends: Sequence[int] = (),
    friends_only: bool = False,
) -> list[AccountView]:
    """Accounts whose address begins with `text` or whose name holds its words, best first.

    With `friends_only`, only `friends` are looked at, discoverable or not. Who may be shown beyond
    `may_see_account` (blocks) is the caller's matter.
    """
    username, _, domain = text.strip().removeprefix("@").partition("@")
    if domain and domain.lower() != settings.local_domain:
        rows = await find_addresses(tx, settings, [Mention(username, domain.lower())])
        found = [row.id for row in rows if not friends_only or row.id in friends]
        return await list_accounts(tx, viewer, found[offset:limit])
    prefix = re.sub(r"([\\%_])", r"\\\1", username.lower())
    words = " & ".join(f"'{word}':*" for word in re.findall(r"\w\w+", text.lower())[:10])
    if not prefix or offset > MOST_SKIPPED:
        return []
    ids = await store.list_search_ids(
        tx,
        prefix,
        "" if domain else words,
        friends=friends,
        friends_only=friends_only,
        limit=limit,
        offset=offset,
    )
    return await list_accounts(tx, viewer, ids)


async def list_directory(
    tx: Tx,
    viewer: Viewer | None,
    *,
    newest: bool = False,
    local: bool = False,
    limit: int = 40,
    offset: int = 0,
) -> list[AccountView]:
    """Those who want to be found: who posted last first, or with `newest` who joined last first."""
    if offset > MOST_SKIPPED:
        return []
    ids = await store.list_directory_ids(tx, newest=newest, local=local, limit=limit, offset=offset)
    return await list_accounts(tx, viewer, ids)


async def get_screening_facts(tx: Tx, account_id: int) -> Facts:
    """What screening is told about this author: one query. Raises NotFound."""
    row = await store.get_facts(tx, account_id)
    if row is None:
        raise NotFound
    moment = now()
    return Facts(
        now=moment,
        account_age_days=max((moment - row.created_at).total_seconds() / 86400, 0.0),
        published_statuses=row.statuses_count,
        role=row.role,
        local=row.domain is None,
        domain=row.domain,
        followers=row.followers_count,
        following=row.following_count,
        strikes=row.strikes,
        reporters_week=row.reporters,
        cluster_size=row.cluster_size,
        linked_banned=row.linked_banned,
    )


async def load_emojis(
    tx: Tx, shortcodes: Iterable[str] | None = None, *, domain: str | None = None
) -> dict[str, EmojiView]:
    """Custom emoji by shortcode: those named (no query when none is), or all of ours that may be used."""
    names = None if shortcodes is None else list(shortcodes)
    if names == []:
        return {}
    rows = await store_emojis.list_emojis(tx, domain, names)
    return {
        row.shortcode: EmojiView(row.shortcode, row.file, row.static_file, row.category, row.visible_in_picker)
        for row in rows
    }


class InstanceCounts(msgspec.Struct, frozen=True):
    """How large this instance is. Active: who posted within the time."""

    members: int
    statuses: int
    active_month: int
    active_half_year: int
    domains: int


async def count_instance(tx: Tx) -> InstanceCounts:
    """Counts that nodeinfo and the instance pages show; slow on a large instance, so keep the answer a
    while."""
    moment = now()
    members, statuses, month, half = await store_instance.count_local(
        tx, moment - timedelta(days=28), moment - timedelta(days=182)
    )
    return InstanceCounts(members, statuses, month, half, len(await store_instance.list_domains(tx)))


class Waiting(msgspec.Struct, frozen=True):
    """How much waits for a decision by people, and since when the oldest of it does."""

    count: int
    since: datetime | None


async def count_waiting_profiles(tx: Tx) -> Waiting:
    """Profiles that wait for a decision; one query."""
    return Waiting(*await store_instance.count_waiting_profiles(tx))


async def list_peers(tx: Tx) -> list[str]:
    """The other domains that this instance knows accounts of."""
    return await store_instance.list_domains(tx)


async def get_contact(tx: Tx) -> AccountView | None:
    """Whom to write to about this instance: the owner, or the admin who came first."""
    ids = await store_instance.list_staff_ids(tx)
    views = await list_accounts(tx, None, ids)
    return min(views, key=lambda view: (view.role != "owner", view.role != "admin", view.id), default=None)


async def list_staff(tx: Tx, viewer: Viewer) -> list[AccountView]:
    """Who moderates or runs this instance, by name, for the staff themselves. Raises NotFound for others."""
    if not viewer.is_staff:
        raise NotFound
    views = await list_accounts(tx, viewer, await store_instance.list_staff_ids(tx))
    return sorted(views, key=lambda view: view.username)


async def list_picture_files(tx: Tx, account_id: int) -> set[str]:
    """Names of every avatar and header that the account shows or that waits for a decision."""
    return await store.list_picture_files(tx, account_id)
