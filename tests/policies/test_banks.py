"""Entries that an instance's staff adds judge at once, everywhere, and are kept for the record."""

from __future__ import annotations

from typing import Any

import pytest

from parley import screening
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.screening.extending import BankItem
from parley.social.policies import bank_actions
from parley.social.policies.bank_actions import add_entry, import_entries, remove_entry
from parley.social.policies.formats import Defaults, parse_list
from parley.social.policies.live import load_live, load_ruleset
from parley.social.policies.reads import count_bank, list_bank, list_entries_of_change
from parley.social.policies.views import NewEntry
from tests.conftest import World
from tests.policies.conftest import staff


def link(domain: str, **more: Any) -> NewEntry:
    given = {"bank": "links", "name": domain, "tier": "hold", "clause": "7.3", "items": (domain,)} | more
    return NewEntry(item=BankItem(**given), source="test")


async def add(world: World, new: NewEntry) -> None:
    async with world.instance.db.write() as tx:
        await add_entry(tx, await staff(world, "mod_mia", "moderator"), new, world.settings)
    await load_live(world.instance.db, world.settings)


async def test_a_domain_that_is_added_is_found_in_the_next_post_and_no_more_after_its_removal(ruled: World) -> None:
    before = screening.live_ruleset().sha256
    await add(ruled, link("evil.example"))
    with_entry = screening.live_ruleset().sha256
    held = await ruled.post("bob", "look at https://www.evil.example/x")
    assert held["moderation"]["state"] == "held"
    async with ruled.instance.db.write() as tx:
        await remove_entry(tx, await staff(ruled, "mod_mia"), "links", "evil.example")
    await load_live(ruled.instance.db, ruled.settings)
    assert screening.live_ruleset().sha256 == before
    assert "moderation" not in await ruled.post("bob", "look at https://www.evil.example/y")
    async with ruled.instance.db.read() as tx:
        again = await load_ruleset(tx, with_entry)
        assert (again.sha256, again.links.entries[-1].id) == (with_entry, "own:evil.example")
        facts = await tx.fetch("SELECT payload FROM events WHERE type = 'RulesetChanged' ORDER BY id")
        assert [(row["payload"]["what"], row["payload"]["changed"]) for row in facts[1:]] == [
            ("bank", ["links:own:evil.example"]),
            ("bank", []),
        ]


async def test_exceptions_background_and_expiry_of_entries_are_kept_to(ruled: World) -> None:
    from datetime import timedelta

    from parley.kit.clock import now, time_travel

    await add(ruled, link("big.example", unless=("docs.big.example",), expires=now() + timedelta(days=1)))
    await add(ruled, link("watched.example", state="BACKGROUND"))
    assert "moderation" not in await ruled.post("bob", "https://docs.big.example/x")
    assert "moderation" not in await ruled.post("bob", "https://watched.example/x")
    assert (await ruled.post("bob", "https://big.example/x"))["moderation"]["state"] == "held"
    with time_travel(timedelta(days=2)):
        assert "moderation" not in await ruled.post("bob", "https://big.example/later")
    async with ruled.instance.db.read() as tx:
        found = await tx.fetchval(
            "SELECT count(*) FROM screening_results, jsonb_array_elements(detail -> 'matches') AS m "
            "WHERE m ->> 'entry' = 'own:watched.example' AND (m ->> 'background')::boolean"
        )
        assert found == 1, "a BACKGROUND entry is logged"


async def test_a_phrase_is_found_through_its_disguises(ruled: World) -> None:
    words = BankItem(bank="words", name="snake oil", tier="reject", clause="7.3", items=("(buy|get) snake oil",))
    await add(ruled, NewEntry(item=words))
    client = await ruled.client("bob")
    answer = await client.post("/api/v1/statuses", json={"status": "g3t sn@ke 0il"})
    assert answer.status_code == 422
    assert "rule 7.3 (Spam)" in answer.json()["error"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"clause": "9.9"}, "there is no clause '9.9'. Clauses: 1.1, 7.3"),
        ({"items": ("https://x.example/a",)}, "is not a domain"),
        ({"items": ()}, "needs something to look for"),
        ({"items": (), "patterns": ("(",)}, "not a pattern in RE2 syntax"),
        ({"bank": "words", "items": ("(a",)}, "never closed"),
        ({"bank": "addresses", "items": ("0.0.0.0/0",)}, "covers too many addresses"),
        ({"bank": "emails", "patterns": ("x",)}, "only links and names have patterns"),
        ({"items": ("localhost.localhost", "localhost:3000")}, "is not a domain"),
        ({"name": " "}, "needs a name"),
    ],
)
async def test_an_entry_that_cannot_be_right_is_refused(item: dict[str, Any], message: str, ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Invalid) as caught:
            await add_entry(tx, await staff(ruled, "mod_mia"), link("evil.example", **item), ruled.settings)
        assert message in caught.value.text


async def test_the_instance_cannot_ban_itself(ruled: World) -> None:
    from msgspec.structs import replace

    settings = replace(ruled.settings, domain="social.town.example")
    async with ruled.instance.db.write() as tx:
        for domain in ("social.town.example", "town.example"):
            with pytest.raises(Invalid, match="own domain"):
                await add_entry(tx, await staff(ruled, "mod_mia"), link(domain), settings)


async def test_only_staff_changes_banks_and_names_are_taken_once(ruled: World) -> None:
    await add(ruled, link("evil.example"))
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await add_entry(tx, await staff(ruled, "spam_sam", "member"), link("good.example"), ruled.settings)
        with pytest.raises(Conflict, match="Remove it first"):
            await add_entry(tx, await staff(ruled, "mod_mia"), link("evil.example"), ruled.settings)
        with pytest.raises(NotFound):
            await remove_entry(tx, await staff(ruled, "mod_mia"), "links", "nothing.example")
        with pytest.raises(Invalid, match="is no bank"):
            await remove_entry(tx, await staff(ruled, "mod_mia"), "faces", "x")


def domains(*names: str) -> list[NewEntry]:
    data = "\n".join(names).encode()
    return list(parse_list("domains", data, Defaults(bank="links", clause="7.3", source="council")).entries)


async def test_an_import_adds_replaces_and_takes_out_what_its_source_took_out(ruled: World) -> None:
    mia = await staff(ruled, "mod_mia", "moderator")
    async with ruled.instance.db.write() as tx:
        first = await import_entries(
            tx, mia, "links", domains("a.example", "b.example"), ruled.settings, source="council"
        )
        await add_entry(tx, mia, link("mine.example"), ruled.settings)
        stricter = [*domains("b.example", "c.example")]
        stricter[0] = NewEntry(item=_reject(stricter[0].item), source="council")
        dry = await import_entries(tx, mia, "links", stricter, ruled.settings, source="council", replace=True, dry=True)
        assert (dry.added, dry.changed, dry.unchanged, dry.removed, dry.revision) == (1, 1, 0, 1, None)
        second = await import_entries(tx, mia, "links", stricter, ruled.settings, source="council", replace=True)
        assert (first.added, second.added, second.changed, second.removed) == (2, 1, 1, 1)
        assert [(row.item.name, row.item.tier) for row in await list_bank(tx, bank="links")] == [
            ("b.example", "reject"),
            ("c.example", "hold"),
            ("mine.example", "hold"),
        ]
        assert second.revision is not None
        assert len(await list_entries_of_change(tx, second.revision)) == 2
        nothing = await import_entries(tx, mia, "links", stricter, ruled.settings, source="council", replace=True)
        assert (nothing.unchanged, nothing.revision) == (2, None)
        assert sum(count for *_, count in await count_bank(tx)) == 3


def _reject(item: BankItem) -> BankItem:
    from msgspec.structs import replace

    return replace(item, tier="reject")


async def test_nothing_is_half_imported(ruled: World) -> None:
    mia = await staff(ruled, "mod_mia", "moderator")
    async with ruled.instance.db.write() as tx:
        bad = [*domains("a.example"), link("b.example", clause="9.9")]
        with pytest.raises(Invalid, match="Nothing was imported"):
            await import_entries(tx, mia, "links", bad, ruled.settings, source="council")
    async with ruled.instance.db.read() as tx:
        assert await list_bank(tx) == []


async def test_banks_have_a_size(ruled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_actions, "MOST_ENTRIES", 1)
    with pytest.raises(Invalid, match="more than 1 entries"):
        async with ruled.instance.db.write() as tx:
            mia = await staff(ruled, "mod_mia", "moderator")
            await import_entries(tx, mia, "links", domains("a.example", "b.example"), ruled.settings, source="x")
    async with ruled.instance.db.read() as tx:
        assert await list_bank(tx) == []


async def test_a_policy_without_a_clause_that_entries_need_does_not_go_live(ruled: World) -> None:
    from parley.social.policies.actions import activate_policy, propose_policy
    from tests.policies.conftest import small

    await add(ruled, link("evil.example", clause="1.1"))
    alice = await staff(ruled, "alice")
    files = {name: data.replace(b'"1.1"', b'"2.1"') for name, data in small().items()}
    async with ruled.instance.db.write() as tx:
        sha256 = await propose_policy(tx, alice, files)
        with pytest.raises(Invalid, match=r"has not: 1\.1"):
            await activate_policy(tx, alice, sha256, ruled.settings)
