"""Who holds an access token: the hottest path of the API, answered from this process's memory when it can.

A grant is kept for at most 30 seconds, under the token's hash, and forgotten at once when a live message says that
a token was revoked (`token_revoked`) or an account changed (`account_changed`); whoever revokes publishes that in
the same transaction, by `publish_revoked` or `publish_account_changed`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from weakref import WeakKeyDictionary

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Unauthorized
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.live import Live, Message, publish
from parley.social.accounts.restrictions import READ_ONLY, SHUT, describe_restriction, read_restriction
from parley.social.accounts.views import Viewer
from parley.social.sessions.oauth import store
from parley.social.sessions.standing import REFUSALS, blocked_by

KEEP_SECONDS = 30.0
_MOST_KEPT = 20_000
_USED_EVERY_SECONDS = 3600


class TokenGrant(msgspec.Struct, frozen=True):
    """What a bearer token allows. `viewer` is None for an app's own token, and for a member who may not use the
    instance now: then `refusal` is the text of the 403 (Mastodon's, or why a decision refuses it), and `account_id`
    still says who it is."""

    token_id: int
    app_id: int | None
    scopes: frozenset[str]
    viewer: Viewer | None
    account_id: int | None = None
    refusal: str = ""


class TokenCache:
    """The grants that one process keeps. Listens on `live`."""

    def __init__(self, live: Live) -> None:
        self._kept: dict[bytes, tuple[float, TokenGrant]] = {}
        self._by_account: dict[int, set[bytes]] = {}
        self._changes = 0
        live.subscribe(self.hear)

    @property
    def changes(self) -> int:
        """Grows with everything that was forgotten; a grant that was read before a change must not be kept."""
        return self._changes

    def get(self, key: bytes) -> TokenGrant | None:
        """The kept grant, if it is fresh."""
        kept = self._kept.get(key)
        if kept is None or kept[0] < time.monotonic():
            return None
        grant = kept[1]
        if _distrusted and (_is_distrusted(grant.account_id) or _is_distrusted(grant.token_id)):
            return None
        return grant

    def keep(self, key: bytes, grant: TokenGrant, *, read_at: int) -> None:
        """Keep `grant`, unless something changed since `read_at` (the value of `changes` before it was read)."""
        if read_at != self._changes:
            return
        while len(self._kept) >= _MOST_KEPT:
            self._drop(next(iter(self._kept)))
        self._kept[key] = (time.monotonic() + KEEP_SECONDS, grant)
        if grant.account_id is not None:
            self._by_account.setdefault(grant.account_id, set()).add(key)

    def hear(self, message: Message) -> None:
        """Forget what a live message makes doubtful."""
        if message.topic == "resync":
            self._changes += 1
            self._kept.clear()
            self._by_account.clear()
        elif message.topic in ("token_revoked", "account_changed"):
            self._changes += 1
            for account_id in message.account_ids:
                for key in tuple(self._by_account.get(account_id, ())):
                    self._drop(key)
            if message.topic == "token_revoked" and not message.account_ids:
                ids = set(message.ids)
                for key in [key for key, (_, grant) in self._kept.items() if grant.token_id in ids]:
                    self._drop(key)

    def _drop(self, key: bytes) -> None:
        _, grant = self._kept.pop(key)
        if grant.account_id is not None:
            keys = self._by_account.get(grant.account_id, set())
            keys.discard(key)
            if not keys:
                self._by_account.pop(grant.account_id, None)


_caches: WeakKeyDictionary[Live, TokenCache] = WeakKeyDictionary()

_distrusted: dict[int, float] = {}
# The process that revokes must not serve the old grant in the milliseconds until its own live message comes back:
# for as long as anything may be kept, grants of these accounts and tokens are read from the database here.


def _is_distrusted(thing_id: int | None) -> bool:
    until = _distrusted.get(thing_id) if thing_id is not None else None
    return until is not None and until > time.monotonic()


def _distrust(ids: Iterable[int]) -> None:
    moment = time.monotonic()
    for thing_id in [thing_id for thing_id, until in _distrusted.items() if until < moment]:
        del _distrusted[thing_id]
    _distrusted.update(dict.fromkeys(ids, moment + KEEP_SECONDS + 5))


def cache_of(live: Live) -> TokenCache:
    """The cache of the process that `live` belongs to."""
    cache = _caches.get(live)
    if cache is None:
        cache = _caches[live] = TokenCache(live)
    return cache


async def publish_revoked(tx: Tx, token_ids: Iterable[int], account_id: int | None) -> None:
    """Tell every process, when `tx` commits, that these tokens are void."""
    ids = tuple(token_ids)
    if not ids:
        return
    concerned = () if account_id is None else (account_id,)
    _distrust(concerned or ids)
    for start in range(0, len(ids), 200):
        await publish(tx, Message("token_revoked", ids=ids[start : start + 200], account_ids=concerned))


async def publish_account_changed(tx: Tx, account_id: int) -> None:
    """Tell every process, when `tx` commits, that what it knows of the account's rights is old."""
    _distrust((account_id,))
    await publish(tx, Message("account_changed", account_ids=(account_id,)))


async def viewer_of_token(instance: Instance, bearer: str) -> TokenGrant:
    """What `bearer` grants. From memory without any query, or by one query. Raises Unauthorized when it is void."""
    key = token_hash(bearer)
    cache = cache_of(instance.live)
    grant = cache.get(key)
    if grant is not None:
        return grant
    read_at = cache.changes
    moment = now()
    async with instance.db.read() as tx:
        row = await store.get_token_member(tx, key)
        if row is None:
            raise Unauthorized("The access token is invalid")
    if row.last_used_at is None or (moment - row.last_used_at).total_seconds() > _USED_EVERY_SECONDS:
        await instance.db.jot(store.update_token_used, row.token_id, moment)
    grant = _grant_of(row, instance.settings.base_url)
    cache.keep(key, grant, read_at=read_at)
    return grant


@lru_cache(maxsize=1024)
def _scope_set(scopes: tuple[str, ...]) -> frozenset[str]:
    # Apps ask for the same few sets: kept once, not once for each token.
    return frozenset(scopes)


def _grant_of(row: store.TokenMember, base_url: str) -> TokenGrant:
    scopes = _scope_set(tuple(row.scopes))
    if row.account_id is None:
        return TokenGrant(row.token_id, row.app_id, scopes, None)
    reason = blocked_by(row)
    restriction = read_restriction(row.restriction, base_url)
    if reason is None and restriction is not None and restriction.kind in SHUT:
        reason = "suspended"  # not by the account's state yet or any more, but by the decision itself
    if reason is not None:
        decided = reason == "suspended" and restriction is not None
        refusal = describe_restriction(restriction) if decided and restriction else REFUSALS[reason]
        return TokenGrant(row.token_id, row.app_id, scopes, None, row.account_id, refusal)
    frozen = restriction is not None and restriction.kind in READ_ONLY
    viewer = Viewer(
        account_id=row.account_id,
        username=row.username or "",
        role="member" if frozen else row.role or "member",
        scopes=scopes,
        app_id=row.app_id,
        token_id=row.token_id,
        locale=row.locale or "en",
        restriction=restriction,
    )
    return TokenGrant(row.token_id, row.app_id, scopes, viewer, row.account_id)
