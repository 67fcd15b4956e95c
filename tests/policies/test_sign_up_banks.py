"""Mail domains, network addresses and user names that are in a bank are refused, or wait for a moderator."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from parley.kit.errors import NotFound
from parley.screening.extending import BankItem
from parley.social.accounts.views import Viewer
from parley.social.policies.bank_actions import add_entry
from parley.social.policies.live import load_live
from parley.social.policies.views import NewEntry
from parley.social.sessions.known_here import list_known_members
from tests.conftest import PASSWORD, World
from tests.policies.conftest import staff
from tests.sessions.pages import register, send_form, sign_in


async def add(world: World, bank: str, tier: str = "reject", **more: Any) -> None:
    given: Any = {"bank": bank, "name": "entry", "tier": tier, "clause": "7.3", **more}
    async with world.instance.db.write() as tx:
        await add_entry(
            tx, await staff(world, "mod_mia", "moderator"), NewEntry(item=BankItem(**given)), world.settings
        )
    await load_live(world.instance.db, world.settings)


async def join(
    world: World, *, username: str = "newbie", email: str = "newbie@mail.example", **headers: str
) -> httpx.Response:
    app = await register(world, scopes="read write")
    form = {"grant_type": "client_credentials", "scope": "read write"}
    form |= {name: app[name] for name in ("client_id", "client_secret")}
    token = (await world.anonymous.post("/oauth/token", data=form)).json()["access_token"]
    body = {"username": username, "email": email, "password": PASSWORD, "agreement": True, "locale": "en"}
    headers = {"authorization": f"Bearer {token}", **headers}
    return await world.anonymous.post("/api/v1/accounts", json=body, headers=headers)


@pytest.mark.parametrize("email", ["x@throwaway.example", "x@MX.Throwaway.example", "x@thr\u014dwaway.example"])
async def test_a_mail_domain_in_the_bank_is_refused_and_the_refusal_is_on_record(email: str, ruled: World) -> None:
    await add(ruled, "emails", items=("throwaway.example", "xn--thrway-uta00a.example", "thr\u014dwaway.example"))
    answer = await join(ruled, email=email)
    assert answer.status_code == 422
    if email.isascii():
        (problem,) = answer.json()["details"]["email"]
        assert problem["error"] == "ERR_BLOCKED"
        assert problem["description"].startswith("is not accepted here under rule 7.3 (Spam). If that is a mistake")
        async with ruled.instance.db.read() as tx:
            (row,) = await tx.fetch("SELECT payload FROM events WHERE type = 'SignUpRefused'")
            assert row["payload"] == {"account_id": 0, "clause": "7.3", "entries": ["own:entry"]}
            assert await tx.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 0


async def test_a_domain_that_only_looks_alike_is_fine(ruled: World) -> None:
    await add(ruled, "emails", items=("throwaway.example",))
    assert (await join(ruled, email="x@notthrowaway.example")).status_code == 200


async def test_an_address_that_is_held_waits_for_a_moderator_who_sees_why(ruled: World) -> None:
    await add(ruled, "addresses", tier="hold", items=("127.0.0.0/8",))
    assert (await join(ruled)).status_code == 200
    from parley.kit.paging import Page
    from parley.social.sessions.reads import list_pending

    async with ruled.instance.db.read() as tx:
        (waiting,) = await list_pending(tx, None, Page(10))
    assert waiting.username == "newbie"
    assert waiting.because == ("The network address 127.0.0.1 is in the bank (own:entry, rule 7.3).",)


async def test_a_user_name_in_the_bank_is_refused(ruled: World) -> None:
    await add(ruled, "names", patterns=("^(support|helpdesk)[0-9]*$",))
    answer = await join(ruled, username="Support24")
    assert answer.json()["details"]["username"][0]["error"] == "ERR_BLOCKED"
    assert (await join(ruled, username="supporter")).status_code == 200


async def test_an_entry_in_the_background_refuses_nobody(ruled: World) -> None:
    await add(ruled, "emails", items=("mail.example",), state="BACKGROUND")
    assert (await join(ruled)).status_code == 200


async def test_a_member_cannot_change_to_an_address_that_is_refused(ruled: World) -> None:
    await add(ruled, "emails", items=("throwaway.example",))
    await ruled.account("bob")
    browser = await sign_in(ruled, "bob")
    answer = await send_form(
        browser,
        "/settings/account",
        "/settings/account/email",
        current_password=PASSWORD,
        email="bob@throwaway.example",
    )
    assert "is not accepted here under rule 7.3" in answer.text, answer.text[:500]


async def test_the_policys_own_file_of_accounts_is_read_and_checked(tmp_path: Any) -> None:
    import shutil

    from parley.screening import check_policy, load_policy
    from tests.policies.conftest import SMALL

    folder = tmp_path / "policy"
    shutil.copytree(SMALL, folder)
    head = "tier: hold, clause: '7.3', title: x"
    domains = "domains: [throwaway.example], hits: [x@a.throwaway.example], misses: [x@example.org]"
    networks = "networks: [198.51.100.0/24], hits: ['198.51.100.7'], misses: ['198.51.101.7']"
    patterns = "patterns: ['^admin'], hits: [admin], misses: [badmin]"
    good = f"""
emails: [{{id: disposable, {head}, {domains}}}]
addresses: [{{id: botnet, {head}, {networks}}}]
names: [{{id: staff-names, {head}, {patterns}}}]
"""
    (folder / "accounts.yaml").write_text(good)
    assert check_policy(folder) == []
    assert len(load_policy(folder).accounts.entries) == 3
    (folder / "accounts.yaml").write_text(
        good.replace('"198.51.100.7"', '"10.0.0.1"').replace("domains:", "networks:", 1)
    )
    problems = [str(problem) for problem in check_policy(folder)]
    assert any("an entry of emails needs domains" in problem for problem in problems), problems


async def test_members_who_came_before_an_entry_are_found_when_somebody_asks(ruled: World) -> None:
    for username, email in (("early_eve", "eve@mx.throwaway.example"), ("support24", "s@mail.example")):
        assert (await join(ruled, username=username, email=email)).status_code == 200
    await ruled.account("bob")
    await add(ruled, "emails", name="throwaway", items=("throwaway.example",))
    await add(ruled, "names", name="helpers", tier="hold", patterns=("^support[0-9]*$",))
    await add(ruled, "names", name="staff-like", patterns=("^mod_",))
    async with ruled.instance.db.read() as tx:
        known = await list_known_members(tx, None)
        assert [(one.username, one.tier) for one in known.shown] == [("early_eve", "reject"), ("support24", "hold")]
        assert known.found == 2, "mod_mia is of the staff"
        assert known.members >= 3
        assert known.shown[0].entries == ("own:throwaway",)
        assert known.shown[0].because == (
            "The mail address eve@mx.throwaway.example is in the bank (own:throwaway, rule 7.3).",
        )
        (only,) = (await list_known_members(tx, None, entry="helpers")).shown
        assert only.username == "support24"
        assert (await list_known_members(tx, None, limit=1)).found == 2
        for name, role in (("bob", "member"), ("mod_mia", "moderator")):
            with pytest.raises(NotFound):
                await list_known_members(tx, Viewer(account_id=ruled.ids[name], username=name, role=role))
    assert (await join(ruled, username="late_lou", email="l@throwaway.example")).status_code == 422
