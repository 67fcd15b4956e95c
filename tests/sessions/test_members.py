"""Roles, closed sign-ins, invitations, preferences."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.paging import Page
from parley.social.accounts.views import Viewer
from parley.social.sessions.actions import (
    create_invite,
    delete_invite,
    set_disabled,
    set_role,
    set_role_by_operator,
    update_preferences,
)
from parley.social.sessions.reads import get_preferences, has_owner, list_invites, list_pending
from parley.social.sessions.scopes import MEMBER_SCOPES, STAFF_SCOPES, describe_scopes, has_scope
from parley.social.sessions.views import PreferencesChange
from tests.conftest import World
from tests.sessions.pages import sign_in

ROLES = {"alice": "member", "bob": "member", "mod_mia": "moderator", "ann_admin": "admin", "olga": "owner"}


async def viewer(world: World, name: str) -> Viewer:
    role = ROLES[name]
    account_id = await world.account(name, role=role)
    scopes = MEMBER_SCOPES if role == "member" else STAFF_SCOPES
    return Viewer(account_id=account_id, username=name, role=role, scopes=scopes, session_id=1)


@pytest.mark.parametrize(
    ("actor", "target", "role", "allowed"),
    [
        ("olga", "alice", "admin", True),
        ("olga", "ann_admin", "member", True),
        ("ann_admin", "alice", "moderator", True),
        ("ann_admin", "mod_mia", "member", True),
        ("ann_admin", "alice", "admin", False),
        ("ann_admin", "alice", "owner", False),
        ("ann_admin", "olga", "member", False),
        ("ann_admin", "ann_admin", "owner", False),
        ("mod_mia", "alice", "moderator", False),
        ("mod_mia", "mod_mia", "owner", False),
        ("alice", "bob", "moderator", False),
        ("olga", "olga", "member", False),
    ],
)
async def test_who_may_give_which_role(world: World, actor: str, target: str, role: str, allowed: bool) -> None:
    await viewer(world, "olga")
    by, whom = await viewer(world, actor), await viewer(world, target)
    async with world.instance.db.write() as tx:
        if allowed:
            await set_role(tx, by, whom.account_id, role)
        else:
            with pytest.raises(Forbidden):
                await set_role(tx, by, whom.account_id, role)
        found = await tx.fetchrow(
            "SELECT u.role::text, a.role AS badge FROM users u JOIN accounts a ON a.id = u.account_id WHERE a.id = $1",
            whom.account_id,
        )
    assert tuple(found) == (role, role) if allowed else tuple(found) == (ROLES[target], ROLES[target])


async def test_an_app_without_administration_cannot_use_its_owners_power(world: World) -> None:
    olga, alice = await viewer(world, "olga"), await viewer(world, "alice")
    app = msgspec.structs.replace(olga, scopes=frozenset({"read", "write"}), session_id=None, token_id=1)
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await set_role(tx, app, alice.account_id, "admin")
        with pytest.raises(Forbidden):
            await set_disabled(tx, app, alice.account_id, True)


async def test_the_last_owner_stays_one(world: World) -> None:
    async with world.instance.db.read() as tx:
        assert not await has_owner(tx)
    await viewer(world, "olga")
    await viewer(world, "alice")
    async with world.instance.db.write() as tx:
        assert await has_owner(tx)
        with pytest.raises(Conflict):
            await set_role_by_operator(tx, "olga", "member")
        await set_role_by_operator(tx, "@alice", "owner")
        await set_role_by_operator(tx, "olga", "member")
        with pytest.raises(NotFound, match="no member @nobody"):
            await set_role_by_operator(tx, "nobody", "owner")
        with pytest.raises(Invalid, match="no role"):
            await set_role_by_operator(tx, "alice", "king")


async def test_a_disabled_member_is_out_everywhere_at_once_and_in_again_later(world: World) -> None:
    mia, alice = await viewer(world, "mod_mia"), await viewer(world, "alice")
    browser, app = await sign_in(world, "alice"), await world.client("alice")
    async with world.instance.db.write() as tx:
        await set_disabled(tx, mia, alice.account_id, True)
    assert (await browser.get("/settings/account")).status_code != 200
    assert (await app.get("/api/v1/preferences")).status_code == 401
    async with world.instance.db.write() as tx:
        await set_disabled(tx, mia, alice.account_id, False)
        with pytest.raises(Forbidden):
            await set_disabled(tx, mia, (await viewer(world, "olga")).account_id, True)
    assert (await (await sign_in(world, "alice")).get("/settings/account")).status_code == 200


async def test_members_see_and_delete_their_own_invitations_alone(world: World) -> None:
    alice, bob, mia = [await viewer(world, name) for name in ("alice", "bob", "mod_mia")]
    settings = world.settings
    async with world.instance.db.write() as tx:
        mine = await create_invite(tx, settings, alice, max_uses=3, expires_in=timedelta(days=1), comment=" x ")
        assert mine.comment == "x" and len(mine.code) >= 20
        assert [one.id for one in await list_invites(tx, alice)] == [mine.id]
        assert await list_invites(tx, bob) == []
        assert [one.id for one in await list_invites(tx, mia)] == [mine.id]
        with pytest.raises(NotFound):
            await delete_invite(tx, bob, mine.id)
        await delete_invite(tx, mia, mine.id)
        for wrong in ({"max_uses": 0}, {"expires_in": timedelta(days=400)}):
            with pytest.raises(Invalid):
                await create_invite(tx, settings, alice, **wrong)
        for mode in ("approval", "closed"):
            with pytest.raises(Forbidden):
                await create_invite(tx, msgspec.structs.replace(settings, registrations=mode), alice)


async def test_who_waits_is_for_staff_to_see(world: World) -> None:
    async with world.instance.db.read() as tx:
        with pytest.raises(Forbidden):
            await list_pending(tx, await viewer(world, "alice"), Page())
        assert await list_pending(tx, await viewer(world, "mod_mia"), Page()) == []


async def test_preferences_are_kept_and_checked(world: World) -> None:
    alice = await viewer(world, "alice")
    client = await world.client("alice")
    change = PreferencesChange(visibility="private", sensitive=True, language="pt-BR", expand_media="hide_all")
    async with world.instance.db.write() as tx:
        await update_preferences(tx, alice, change)
        await update_preferences(tx, alice, PreferencesChange(theme="dark"))
    found = (await client.get("/api/v1/preferences")).json()
    assert found["posting:default:visibility"] == "private" and found["posting:default:sensitive"] is True
    assert found["posting:default:language"] == "pt-BR" and found["reading:expand:media"] == "hide_all"
    async with world.instance.db.write() as tx:
        for wrong in ({"visibility": "secret"}, {"theme": "pink"}, {"language": "klingon!"}, {"locale": ""}):
            with pytest.raises(Invalid):
                await update_preferences(tx, alice, PreferencesChange(**wrong))
        assert (await get_preferences(tx, alice)).theme == "dark"


@pytest.mark.parametrize(
    ("granted", "needed", "covers"),
    [
        ({"read"}, "read:statuses", True),
        ({"read:statuses"}, "read", False),
        ({"write"}, "read:statuses", False),
        ({"read"}, "admin:read", False),
        ({"read"}, "admin:read:accounts", False),
        ({"admin:read"}, "admin:read:accounts", True),
        ({"admin:write"}, "write:statuses", False),
        ({"follow"}, "write:blocks", True),
        ({"follow"}, "write:statuses", False),
        ({"follow"}, "read", False),
        ({"profile"}, "read:accounts", False),
        ({"read:accounts"}, "profile", True),
        (set(), "profile", False),
        ({"push"}, "push", True),
    ],
)
def test_which_scope_covers_which(granted: set[str], needed: str, covers: bool) -> None:
    assert has_scope(granted, needed) is covers


def test_the_consent_page_says_each_thing_once() -> None:
    assert describe_scopes(["read", "read:statuses", "profile"]) == describe_scopes(["read"])
    assert len(describe_scopes(["write:media", "write:statuses"])) == 2
    assert describe_scopes(["admin:write:ip_blocks"]) == ["As staff, act on ip blocks"]
