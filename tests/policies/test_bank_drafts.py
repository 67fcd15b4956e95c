"""A list for a bank that is too large for one person waits until a second one has confirmed it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from parley.kit.clock import now
from parley.kit.errors import Conflict, Forbidden, NotFound
from parley.safety.drafts import confirm_draft, end_stale_drafts, mail_bank_draft, refuse_draft
from parley.screening.hash_formats import BadLine, ListedHash
from parley.social.media import hash_banks
from parley.social.policies.bank_actions import import_entries
from parley.social.policies.formats import Defaults, parse_list
from parley.social.policies.reads import count_bank, list_bank, list_bank_drafts
from parley.social.policies.views import ImportCounts, NewEntry, Staff
from tests.conftest import World
from tests.media.known import make_bank
from tests.policies.conftest import staff
from tests.statuses.cast import count

LARGE = 501
CLAUSE = "7.3"


def domains(how_many: int = LARGE, *, at: int = 0) -> list[NewEntry]:
    data = "\n".join(f"bad{number}.example" for number in range(at, at + how_many)).encode()
    return list(parse_list("domains", data, Defaults(bank="links", clause=CLAUSE, source="council")).entries)


def hashes(how_many: int = LARGE, *, at: int = 0) -> list[ListedHash]:
    return [ListedHash("sha256", number.to_bytes(32)) for number in range(at, at + how_many)]


async def bring(world: World, by: Staff, entries: list[NewEntry], **options: bool) -> ImportCounts:
    async with world.instance.db.write() as tx:
        return await import_entries(tx, by, "links", entries, world.settings, source="council", **options)


async def held(world: World) -> int:
    async with world.instance.db.read() as tx:
        return sum(found for *_, found in await count_bank(tx))


async def facts(world: World, kind: str) -> list[dict]:
    async with world.instance.db.read() as tx:
        return [row[0] for row in await tx.fetch("SELECT payload FROM events WHERE type = $1 ORDER BY id", kind)]


async def test_a_large_list_is_a_draft_until_somebody_else_confirms_it(ruled: World) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    assert (await bring(ruled, mia, domains(500))).draft is None, "so many one person may bring in"
    waits = await bring(ruled, mia, domains(LARGE, at=1000))
    assert (waits.needs_second, waits.revision, waits.added) == (True, None, LARGE)
    assert waits.draft is not None
    assert await held(ruled) == 500, "nothing of it is looked for"
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Forbidden, match="somebody else"):
            await confirm_draft(tx, ruled.settings, mia, waits.draft)
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await confirm_draft(tx, ruled.settings, await staff(ruled, "spam_sam", "member"), waits.draft)
    async with ruled.instance.db.write() as tx:
        done = await confirm_draft(tx, ruled.settings, ben, waits.draft)
    assert (done.enough, done.changed) == (True, LARGE)
    assert await held(ruled) == 500 + LARGE
    async with ruled.instance.db.read() as tx:
        (entry,) = await list_bank(tx, bank="links", text="bad1000.example")
    assert (entry.created_by, entry.source) == (mia.account_id, "council"), "it is still hers"
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Conflict, match="confirmed already"):
            await confirm_draft(tx, ruled.settings, ben, waits.draft)
        with pytest.raises(NotFound):
            await confirm_draft(tx, ruled.settings, ben, 1)
    assert await count(ruled, "SELECT count(*) FROM bank_draft_parts") == 0
    approved = await facts(ruled, "BankDraftApproved")
    assert [(one["enough"], one["alone"], one["entries"]) for one in approved] == [(True, False, LARGE)]
    assert [one["state"] for one in await facts(ruled, "BankDraftEnded")] == ["confirmed"]
    logged = "SELECT count(*) FROM moderation_events WHERE type = 'bank_list_confirmed'"
    assert await count(ruled, logged) == 1


async def test_taking_many_entries_out_needs_two_people_as_well(ruled: World) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    for part in range(3):
        await bring(ruled, mia, domains(300, at=300 * part))
    dry = await bring(ruled, mia, domains(1), replace=True, dry=True)
    assert (dry.removed, dry.needs_second, dry.draft) == (899, True, None)
    waits = await bring(ruled, mia, domains(1), replace=True)
    assert await held(ruled) == 900
    async with ruled.instance.db.read() as tx:
        (draft,) = await list_bank_drafts(tx)
    assert draft.samples[0].startswith("taken out: bad")
    async with ruled.instance.db.write() as tx:
        assert (await confirm_draft(tx, ruled.settings, ben, waits.draft or 0)).changed == 899
    assert await held(ruled) == 1


async def test_a_list_that_is_mostly_known_already_needs_nobody_else(ruled: World) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    waits = await bring(ruled, mia, domains(800))
    async with ruled.instance.db.write() as tx:
        await confirm_draft(tx, ruled.settings, ben, waits.draft or 0)
    again = await bring(ruled, mia, domains(803))
    assert (again.added, again.draft, again.needs_second) == (3, None, False)


async def test_a_refused_list_and_one_that_waited_too_long_are_forgotten(
    ruled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    first, second = await bring(ruled, mia, domains()), await bring(ruled, mia, domains())
    async with ruled.instance.db.write() as tx:
        await refuse_draft(tx, ben, first.draft or 0, answer="From where is this?")
    await end_stale_drafts(ruled.instance, {})
    async with ruled.instance.db.read() as tx:
        assert [one.id for one in await list_bank_drafts(tx)] == [second.draft]
    from parley.social.policies import reads

    monkeypatch.setattr(reads, "now", lambda: now() + timedelta(days=15))
    await end_stale_drafts(ruled.instance, {})
    async with ruled.instance.db.read() as tx:
        rows = await list_bank_drafts(tx, only_waiting=False)
    assert [(row.state, row.answer) for row in rows] == [
        ("stale", "Nobody confirmed it within 14 days."),
        ("refused", "From where is this?"),
    ]
    assert await count(ruled, "SELECT count(*) FROM bank_draft_parts") == 0
    assert await held(ruled) == 0


async def test_who_left_the_staff_leaves_no_list_behind_that_somebody_else_makes_good(ruled: World) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    waits = await bring(ruled, mia, domains())
    async with ruled.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET role = 'member' WHERE id = $1", mia.account_id)
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Conflict, match="not of the staff any more"):
            await confirm_draft(tx, ruled.settings, ben, waits.draft or 0)


async def test_an_instance_without_four_eyes_says_for_ever_that_nobody_else_looked(ruled: World) -> None:
    settings = msgspec.structs.replace(ruled.settings, four_eyes=False)
    mia = await staff(ruled, "mod_mia")
    async with ruled.instance.db.write() as tx:
        done = await import_entries(tx, mia, "links", domains(), settings, source="council")
        bank = await hash_banks.make_bank(tx, "known", tier="hold", clause=CLAUSE)
        brought = await hash_banks.import_hashes(tx, mia, bank, hashes(), settings, source="list.csv")
    assert (done.draft, brought.draft, brought.added) == (None, None, LARGE)
    told = [(one["bank"], one["alone"], one["entries"]) for one in await facts(ruled, "BankDraftApproved")]
    assert told == [("links", True, LARGE), ("known", True, LARGE)]


async def test_a_large_list_of_hashes_waits_and_is_then_looked_for(world: World) -> None:
    mia, ben = await staff(world, "mod_mia", "moderator"), await staff(world, "mod_ben", "moderator")
    name = await make_bank(world, "hold", clause=CLAUSE)
    listed: list[ListedHash | BadLine] = [*hashes(12_000), BadLine(7, "no hash")]
    async with world.instance.db.write() as tx:
        bank = await hash_banks.get_bank(tx, name)
        done = await hash_banks.import_hashes(tx, mia, bank, listed, world.settings, source="list.csv", tags=["x"])
    assert (done.added, done.waiting, done.bad_count) == (0, 12_000, 1)
    assert await count(world, "SELECT count(*) FROM bank_hashes") == 0
    assert await count(world, "SELECT count(*) FROM bank_draft_parts") == 3
    async with world.instance.db.write() as tx:
        confirmed = await confirm_draft(tx, world.settings, ben, done.draft or 0)
    assert confirmed.changed == 12_000
    banked = await facts(world, "HashesBanked")
    assert sum(one["hashes"] for one in banked) == 12_000
    assert {one["account_id"] for one in banked} <= {mia.account_id}
    async with world.instance.db.write() as tx:
        bank = await hash_banks.get_bank(tx, name)
        again = await hash_banks.import_hashes(tx, mia, bank, hashes(12_010), world.settings, source="list.csv")
    assert (again.draft, again.added, again.known) == (None, 10, 12_000)
    assert await count(world, "SELECT count(*) FROM bank_drafts") == 1


async def test_a_list_from_a_shell_is_nobodys_by_name_and_takes_two(world: World) -> None:
    mia, ben = await staff(world, "mod_mia", "moderator"), await staff(world, "mod_ben", "moderator")
    name = await make_bank(world, "hold", clause=CLAUSE)
    async with world.instance.db.write() as tx:
        bank = await hash_banks.get_bank(tx, name)
        done = await hash_banks.import_hashes(tx, None, bank, hashes(), world.settings, source="list.csv")
    for who, enough in ((mia, False), (mia, False), (ben, True)):
        async with world.instance.db.write() as tx:
            assert (await confirm_draft(tx, world.settings, who, done.draft or 0)).enough is enough
    assert await count(world, "SELECT count(*) FROM bank_hashes") == LARGE


async def test_the_rest_of_the_staff_hears_of_a_list_that_waits(ruled: World) -> None:
    mia, ben = await staff(ruled, "mod_mia", "moderator"), await staff(ruled, "mod_ben", "moderator")
    waits = await bring(ruled, mia, domains())
    await mail_bank_draft(ruled.instance, {"draft_id": waits.draft})
    async with ruled.instance.db.read() as tx:
        letters = await tx.fetch("SELECT convert_from(payload, 'UTF8') FROM pgqueuer WHERE entrypoint = 'mail_letter'")
    assert len(letters) == 1
    assert ben.username in letters[0][0]
    assert str(waits.draft) in letters[0][0]


async def test_an_entry_of_a_bank_plans_a_sweep_over_history(ruled: World) -> None:
    await ruled.post("alice", "see https://bad3.example/offer")
    await ruled.run_jobs()
    mia = await staff(ruled, "mod_mia", "moderator")
    await bring(ruled, mia, domains(10))
    await ruled.run_jobs()
    async with ruled.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT scope, state, reason, changed FROM sweeps ORDER BY id DESC LIMIT 1")
    assert tuple(row)[:3] == ("history", "planned", "Entries of the banks have changed.")
    assert "links:own:bad3.example" in row[3]
