"""Browsers that are signed in: opening, reading, listing and ending sessions. The cookie holds the token, the table
its hash. Ending one ends what it listens to as well: open connections of the account have to come back."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.ids import new_token, token_hash
from parley.kit.instance import Instance
from parley.social.accounts.restrictions import READ_ONLY, SHUT, read_restriction
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import SecurityChanged
from parley.social.sessions import store
from parley.social.sessions.scopes import MEMBER_SCOPES, STAFF_SCOPES
from parley.social.sessions.standing import turned_away_by
from parley.social.sessions.tokens import publish_account_changed
from parley.social.sessions.views import SessionView

SESSION_LIFE = timedelta(days=90)
"""How long a browser stays signed in without being used."""

SEEN_EVERY = timedelta(minutes=5)


async def open_session(tx: Tx, account_id: int, user_agent: str, address: str, method: str, *, device: str = "") -> str:
    """Sign a browser in, after `start_sign_in` (or another way) said who it is. Returns the token for the cookie.

    `device` is what the browser keeps from one sign-in to the next (empty: nothing); its hash is stored.
    """
    token = new_token()
    agent = "".join(char for char in user_agent if char.isprintable())[:400]
    await store.insert_session(
        tx,
        account_id,
        token_hash(token),
        user_agent=agent,
        address=address or None,
        method=method,
        until=now() + SESSION_LIFE,
        device=token_hash(device) if device else None,
    )
    await store.update_signed_in(tx, account_id)
    await record(tx, SecurityChanged(account_id=account_id, what="signed_in"))
    return token


async def viewer_of_session(instance: Instance, token: str) -> Viewer | None:
    """Who holds the session cookie, by one query; None when it is void or the member may not use the instance.

    Whom a decision has suspended is a viewer without scopes, and whom one has frozen has no office: see
    `restriction`. Every few minutes a second query notes that the browser is still in use.
    """
    if not token or len(token) > 200:
        return None
    moment = now()
    async with instance.db.read() as tx:
        row = await store.get_session_member(tx, token_hash(token), moment)
        if row is None or turned_away_by(row) is not None:
            return None
    if moment - row.last_seen_at > SEEN_EVERY:
        await instance.db.jot(store.update_session_seen, row.session_id, moment, moment + SESSION_LIFE)
    restriction = read_restriction(row.restriction, instance.settings.base_url)
    kind = restriction.kind if restriction else ""
    role = "member" if kind in READ_ONLY else row.role
    scopes = MEMBER_SCOPES if role == "member" else STAFF_SCOPES
    return Viewer(
        account_id=row.account_id,
        username=row.username,
        role=role,
        scopes=frozenset() if kind in SHUT else scopes,
        session_id=row.session_id,
        locale=row.locale,
        restriction=restriction,
    )


async def list_sessions(tx: Tx, viewer: Viewer) -> list[SessionView]:
    """The viewer's own browsers, the most recent first."""
    return [
        SessionView(
            id=row.id,
            user_agent=row.user_agent,
            address=row.address or "",
            method=row.method,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            current=row.id == viewer.session_id,
        )
        for row in await store.list_session_rows(tx, viewer.account_id, now())
    ]


async def revoke_session(tx: Tx, viewer: Viewer, session_id: int) -> None:
    """Sign one of the viewer's browsers out. Raises NotFound."""
    if not await store.delete_session(tx, viewer.account_id, session_id):
        raise NotFound
    await record(tx, SecurityChanged(account_id=viewer.account_id, what="session_revoked"))
    await publish_account_changed(tx, viewer.account_id)


async def revoke_other_sessions(tx: Tx, viewer: Viewer) -> int:
    """Sign every browser out but the one that asks; returns how many."""
    count = await store.delete_sessions(tx, viewer.account_id, keep=viewer.session_id)
    if count:
        await record(tx, SecurityChanged(account_id=viewer.account_id, what="session_revoked"))
        await publish_account_changed(tx, viewer.account_id)
    return count


async def sign_out(tx: Tx, viewer: Viewer) -> None:
    """End the browser's own session."""
    if viewer.session_id is not None:
        await store.delete_session(tx, viewer.account_id, viewer.session_id)
        await publish_account_changed(tx, viewer.account_id)
