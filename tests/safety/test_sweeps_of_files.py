"""A new entry in a bank of hashes: what is here already is found, judged again, hidden, and can be given back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import ImageOps

from parley import screening
from parley.kit.errors import Conflict, Invalid
from parley.safety.judging import OwnThread
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.sweeps import store, store_files
from parley.safety.sweeps.actions import approve_sweep, count_sweep
from parley.safety.sweeps.gathering import gather
from parley.safety.sweeps.jobs import (
    count_planned_sweep,
    gather_for_sweep,
    plan_sweep_of_change,
    plan_sweep_of_hashes,
)
from parley.safety.sweeps.reads import get_sweep, list_changes, list_sweeps
from parley.safety.sweeps.running import run_sweep, undo_sweep
from parley.safety.sweeps.views import SweepView
from parley.safety.warnings import list_warnings
from parley.screening import image_hash
from parley.screening.hash_formats import ListedHash
from parley.social.media import hash_banks
from parley.social.media.emoji_files import add_emoji_file
from parley.social.statuses.actions import publish_held_status
from tests.conftest import World
from tests.media.helpers import upload
from tests.media.known import bank_hashes, bank_picture, film, jpeg, make_bank, scene
from tests.safety.sweeping import post, staff, use_stricter
from tests.statuses.cast import ask, count, known, sees

PICTURE = scene(1)
FILE = jpeg(PICTURE)
MIRRORED = jpeg(ImageOps.mirror(PICTURE))
OTHER = jpeg(scene(2))


def clause_of(severity: int) -> str:
    """A clause of that severity."""
    return next(one.id for one in screening.live_ruleset().clauses.values() if one.severity == severity)


async def share(world: World, name: str, data: bytes, **body: Any) -> dict[str, Any]:
    """A post with that file, published."""
    answer = await upload(await world.client(name), data)
    assert answer.status_code == 202, answer.text
    shared = await post(world, name, **{"status": "look", "media_ids": [answer.json()["id"]], **body})
    await world.run_jobs()
    return shared


async def bank(world: World, tier: str, severity: int, data: bytes = FILE, *, name: str = "") -> str:
    """Put a file into a bank, and do at once what follows, but for the count, which waits a moment."""
    bank_name = await make_bank(world, tier, clause=clause_of(severity), name=name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known"
        path.write_bytes(data)
        await hash_banks.add_file(world.instance, bank_name, path)
    await world.run_jobs()
    return bank_name


async def sweeps(world: World) -> list[SweepView]:
    async with world.instance.db.read() as tx:
        return [one for one in await list_sweeps(tx) if one.scope == "files"]


async def counted(world: World) -> SweepView:
    """The newest sweep over files, counted as the job does it."""
    await count_planned_sweep(world.instance, {"sweep_id": (await sweeps(world))[0].id})
    return (await sweeps(world))[0]


async def run(world: World, sweep_id: int) -> SweepView:
    """Approve and run it as ada."""
    ada, ruleset = await staff(world, "ada", "admin"), screening.live_ruleset()
    async with world.instance.db.write() as tx:
        assert await approve_sweep(tx, ada, world.settings, sweep_id)
    await run_sweep(world.instance.db, world.settings, sweep_id, OwnThread(ruleset), ruleset)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        return await get_sweep(tx, sweep_id)


async def state_of(world: World, status: dict[str, Any]) -> str:
    async with world.instance.db.read() as tx:
        return str(await tx.fetchval("SELECT state::text FROM statuses WHERE id = $1", int(status["id"])))


async def address(world: World, status: dict[str, Any]) -> str:
    seen = (await ask(world, "bob", "GET", f"/statuses/{status['id']}")).json()
    return str(seen["media_attachments"][0]["url"]).removeprefix(world.settings.base_url)


async def fetched(world: World, path: str) -> httpx.Response:
    return await world.anonymous.get(path.removeprefix(world.settings.base_url))


async def test_a_new_entry_is_looked_for_counted_approved_and_then_hides_what_carries_it(world: World) -> None:
    await known(world, "alice", "bob")
    known_one, fine = await share(world, "alice", MIRRORED), await share(world, "alice", OTHER)
    message = await share(world, "alice", FILE, status="@bob look", visibility="direct")
    path = await address(world, known_one)
    await bank(world, "reject", 1)
    assert await state_of(world, known_one) == "published", "nothing below severity 0 is done before people approved it"
    view = await counted(world)
    assert (view.state, view.total) == ("counted", 4), "two posts, and two files"
    assert view.count is not None
    assert view.count.effects == {"hide": 4}
    done = await run(world, view.id)
    assert (done.state, done.changes) == ("completed", {"file_hidden": 2, "hidden": 2})
    assert await state_of(world, known_one) == await state_of(world, message) == "hidden_interim"
    assert await state_of(world, fine) == "published"
    assert not await sees(world, "bob", known_one["id"])
    assert (await fetched(world, path)).status_code == 404
    assert await count(world, "SELECT count(*) FROM media_evidence WHERE outcome = 'reject'") == 2
    told = (await ask(world, "alice", "GET", "/notifications")).json()
    assert [one["type"] for one in told] == ["moderation_warning"] * 2
    assert await count(world, "SELECT count(*) FROM reports WHERE source = 'automated'") == 2
    own = (await ask(world, "alice", "GET", f"/statuses/{known_one['id']}")).json()
    assert own["moderation"]["clause"] == clause_of(1)


async def test_what_threatens_lives_is_out_of_sight_at_once_with_evidence_and_in_the_log(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", MIRRORED)
    path = await address(world, posted)
    await bank(world, "hold", 0)
    assert await state_of(world, posted) == "hidden_interim"
    assert not await sees(world, "bob", posted["id"])
    assert (await fetched(world, path)).status_code == 404
    logged = "SELECT count(*) FROM moderation_events WHERE type = 'hidden_at_once'"
    assert await count(world, logged) >= 1
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'RevisionSwept'") == 1
    assert await count(world, "SELECT count(*) FROM cases") == 1, "and people look at it"
    assert await count(world, "SELECT count(*) FROM decisions WHERE kind = 'interim' AND automated_decision") == 1
    view = await counted(world)
    assert (view.state, view.changes) == ("aborted", {"hidden": 1}), "there is nothing left to approve"
    assert "could not wait" in view.note


async def test_undoing_the_sweep_gives_back_what_could_not_wait_and_forgets_what_was_known(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    path = await address(world, posted)
    await bank(world, "quarantine", 0)
    assert (await fetched(world, path)).status_code == 404
    assert (await ask(world, "alice", "GET", f"/statuses/{posted['id']}")).status_code == 200
    view = await counted(world)
    restored, kept = await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), view.id)
    assert (restored, kept) == (2, 0)
    await world.run_jobs()
    assert await sees(world, "bob", posted["id"])
    assert (await fetched(world, path)).status_code == 200
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT matches FROM media") == []
    again = {"status": "still there", "media_ids": [one["id"] for one in posted["media_attachments"]]}
    assert (await ask(world, "alice", "PUT", f"/statuses/{posted['id']}", json=again)).status_code == 200
    assert await sees(world, "bob", posted["id"])


async def test_what_is_written_after_the_entry_is_judged_with_it_before_anybody_approved(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    waiting = (await upload(await world.client("alice"), MIRRORED)).json()["id"]
    await world.run_jobs()
    await bank(world, "reject", 1)
    carried = [one["id"] for one in posted["media_attachments"]]
    again = {"status": "again", "media_ids": carried}
    assert (await ask(world, "alice", "PUT", f"/statuses/{posted['id']}", json=again)).status_code == 422
    new = await ask(world, "alice", "POST", "/statuses", json={"status": "x", "media_ids": [waiting]})
    assert new.status_code == 422


async def test_a_file_that_no_post_carries_is_hidden_and_can_be_used_no_more(world: World) -> None:
    await known(world, "alice", "bob")
    client = await world.client("alice")
    waiting = (await upload(client, FILE)).json()["id"]
    await world.run_jobs()
    shown = (await client.get(f"/api/v1/media/{waiting}")).json()
    await bank(world, "hold", 0)
    assert (await fetched(world, shown["url"])).status_code == 404
    answer = await client.get(f"/api/v1/media/{waiting}")
    assert answer.status_code == 422
    assert clause_of(0) in answer.json()["error"]
    view = await counted(world)
    await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), view.id)
    assert (await fetched(world, shown["url"])).status_code == 200
    new = await ask(world, "alice", "POST", "/statuses", json={"status": "x", "media_ids": [waiting]})
    assert new.status_code == 200


async def test_a_profile_picture_gives_way_with_its_profile_and_comes_back(world: World) -> None:
    await known(world, "alice", "bob")
    client = await world.client("alice")
    files = {"avatar": ("me.jpg", jpeg(scene(1, (400, 400))), "image/jpeg")}
    changed = await client.patch("/api/v1/accounts/update_credentials", files=files, data={"note": "me"})
    assert changed.status_code == 200
    await world.run_jobs()
    shown = (await ask(world, "bob", "GET", f"/accounts/{world.ids['alice']}")).json()
    assert (await fetched(world, shown["avatar"])).status_code == 200
    await bank(world, "reject", 0, jpeg(scene(1, (400, 400))))
    after = (await ask(world, "bob", "GET", f"/accounts/{world.ids['alice']}")).json()
    assert after["note"] == ""
    assert after["avatar"] != shown["avatar"]
    assert (await fetched(world, shown["avatar"])).status_code == 404
    view = await counted(world)
    assert view.changes == {"withdrawn": 1}
    await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), view.id)
    again = (await ask(world, "bob", "GET", f"/accounts/{world.ids['alice']}")).json()
    assert (again["avatar"], again["note"]) == (shown["avatar"], shown["note"])
    assert (await fetched(world, shown["avatar"])).status_code == 200


async def test_an_emoji_that_is_known_now_is_served_no_more(world: World, tmp_path: Path) -> None:
    file = tmp_path / "known.jpg"
    file.write_bytes(jpeg(scene(1, (200, 200))))
    emoji = await add_emoji_file(world.instance, "party", file)
    assert (await fetched(world, f"/media/{emoji.file}")).status_code == 200
    await bank(world, "reject", 1, file.read_bytes())
    assert (await fetched(world, f"/media/{emoji.file}")).status_code == 404
    view = await counted(world)
    await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), view.id)
    assert (await fetched(world, f"/media/{emoji.file}")).status_code == 200


async def test_those_who_run_the_instance_hear_of_a_sweep_that_nobody_approves(world: World) -> None:
    await known(world, "alice", "bob")
    await share(world, "alice", FILE)
    await bank(world, "reject", 1)
    await counted(world)
    async with world.instance.db.read() as tx:
        assert "sweeps_wait" not in [one.code for one in await list_warnings(tx, world.settings)]
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "sweep_counted")
        await tx.execute("UPDATE sweeps SET counted_at = now() - interval '25 hours'")
    async with world.instance.db.read() as tx:
        found = {one.code: one.text for one in await list_warnings(tx, world.settings)}
    assert "2 posts, files or profiles" in found["sweeps_wait"]


async def test_a_file_that_is_processed_while_an_entry_comes_in_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.social.media import jobs

    await known(world, "alice", "bob")
    await share(world, "bob", OTHER)
    name = await make_bank(world, "hold", clause=clause_of(0))
    find = jobs.find_matches

    async def find_just_before(*args: Any, **options: Any) -> Any:
        """The banks are asked; then the entry comes in and is looked for, before the file's hashes are stored."""
        found = await find(*args, **options)
        monkeypatch.setattr(jobs, "find_matches", find)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "known"
            path.write_bytes(FILE)
            await hash_banks.add_file(world.instance, name, path)
        async with world.instance.db.read() as tx:
            payload = await tx.fetchval("SELECT payload FROM events WHERE type = 'HashesBanked'")
        await plan_sweep_of_hashes(world.instance, {"account_id": 0, **payload})
        await gather_for_sweep(world.instance, {"sweep_id": (await sweeps(world))[0].id})
        return found

    answer = await upload(await world.client("alice"), MIRRORED)
    monkeypatch.setattr(jobs, "find_matches", find_just_before)
    posted = await post(world, "alice", status="look", media_ids=[answer.json()["id"]])
    await jobs.process_media(world.instance, {"media_id": int(answer.json()["id"])})
    await world.run_jobs()
    assert await state_of(world, posted) in ("held", "hidden_interim")
    assert not await sees(world, "bob", posted["id"])


async def test_an_older_revision_that_carries_the_file_leaves_the_history(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    edited = await ask(world, "alice", "PUT", f"/statuses/{posted['id']}", json={"status": "words", "media_ids": []})
    assert edited.status_code == 200
    await world.run_jobs()
    await bank(world, "hold", 0)
    assert await state_of(world, posted) == "published"
    history = (await ask(world, "bob", "GET", f"/statuses/{posted['id']}/history")).json()
    assert [one["media_attachments"] for one in history] == [[]]


async def test_a_few_frames_of_a_long_film_are_no_match(world: World) -> None:
    await known(world, "alice", "bob")
    pytest.importorskip("av")
    answer = await upload(await world.client("alice"), film([11, 12, 13, 14, 15, 16]), "film.mp4")
    posted = await post(world, "alice", status="look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    await bank(world, "hold", 0, film([21, 22, 13, 24, 25, 26]), name="films")
    assert await state_of(world, posted) == "published"
    await bank(world, "hold", 0, film([27, 12, 13, 14, 15, 28]), name="more-films")
    assert await state_of(world, posted) == "hidden_interim"


async def test_a_long_list_is_looked_for_by_going_through_the_files_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from parley.social.media import walking_past

    await known(world, "alice", "bob")
    posts = [await share(world, "alice", jpeg(scene(seed))) for seed in (41, 42, 43, 44)]
    async with world.instance.db.read() as tx:
        kept = [row[0] for row in await tx.fetch("SELECT hash FROM media_hashes WHERE kind = 'pdq' ORDER BY id")]
    noise = [ListedHash("pdq", hashlib.sha256(str(number).encode()).digest()) for number in range(400)]
    turned = image_hash.turned_forms(kept[1])[5]
    same = hashlib.sha1(jpeg(scene(44)), usedforsecurity=False).digest()
    listed = [
        *noise[:200],
        ListedHash("pdq", turned),
        *noise[200:],
        ListedHash("pdq", kept[2]),
        ListedHash("sha1", same),
    ]
    name = await make_bank(world, "hold", clause=clause_of(0))
    await bank_hashes(world, name, *listed)
    # So few rows and files at once that it goes on many times, over the bounds of both.
    monkeypatch.setattr(walking_past, "ROWS", 150)
    monkeypatch.setattr(walking_past, "FILES", 1)
    monkeypatch.setattr(walking_past, "FEWEST", 1)
    await world.run_jobs()
    states = [await state_of(world, status) for status in posts]
    assert states == ["published", "hidden_interim", "hidden_interim", "hidden_interim"]
    assert await count(world, "SELECT count(*) FROM sweep_changes") == 3


async def test_a_checksum_finds_exactly_that_file(world: World) -> None:
    import hashlib

    await known(world, "alice", "bob")
    same, other = await share(world, "alice", FILE), await share(world, "alice", OTHER)
    name = await make_bank(world, "hold", clause=clause_of(0))
    await bank_hashes(world, name, ListedHash("md5", hashlib.md5(FILE, usedforsecurity=False).digest()))
    await world.run_jobs()
    assert (await state_of(world, same), await state_of(world, other)) == ("hidden_interim", "published")


async def test_what_people_let_through_stays_but_a_file_that_must_not_be_served_is_served_no_more(world: World) -> None:
    await known(world, "alice", "bob")
    await bank(world, "hold", 1, name="first")
    answer = await upload(await world.client("alice"), FILE)
    held = await post(world, "alice", status="look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    assert await state_of(world, held) == "held"
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(held["id"]), by=await world.account("mod_mia", role="moderator"))
    await world.run_jobs()
    path = await address(world, held)
    await bank(world, "hold", 0, name="second")
    assert await state_of(world, held) == "published"
    assert (await fetched(world, path)).status_code == 200
    await bank(world, "quarantine", 0, name="third")
    assert await state_of(world, held) == "published"
    assert (await fetched(world, path)).status_code == 404


async def test_entries_that_come_before_the_approval_join_the_sweep_and_void_what_was_counted(world: World) -> None:
    await known(world, "alice", "bob")
    one, two = await share(world, "alice", FILE), await share(world, "bob", OTHER)
    await bank(world, "hold", 1)
    first = await counted(world)
    mia = await staff(world)
    await bank(world, "hold", 1, OTHER, name="other")
    joined = await sweeps(world)
    assert [(sweep.id, sweep.state) for sweep in joined] == [(first.id, "planned")]
    with pytest.raises(Invalid, match="Count it first"):
        async with world.instance.db.write() as tx:
            await approve_sweep(tx, mia, world.settings, first.id)
    view = await counted(world)
    assert set(view.changed) == {"hashes:known-hold", "hashes:other"}
    await run(world, view.id)
    assert [await state_of(world, status) for status in (one, two)] == ["hidden_interim"] * 2
    await bank(world, "flag", 2, name="third")
    assert len(await sweeps(world)) == 2, "after one was approved another is planned"


async def test_a_change_of_the_ruleset_plans_a_running_sweep_again_and_loses_nothing(
    world: World, tmp_path: Path
) -> None:
    await known(world, "alice", "bob")
    posts = [await share(world, "alice", FILE, status=f"number {number}") for number in range(6)]
    await bank(world, "hold", 1)
    view = await counted(world)
    ada, before = await staff(world, "ada", "admin"), screening.live_ruleset()
    async with world.instance.db.write() as tx:
        assert await approve_sweep(tx, ada, world.settings, view.id)
    half = await run_sweep(world.instance.db, world.settings, view.id, OwnThread(before), before, seconds=-1, page=3)
    assert (half.state, half.acted) == ("running", 3)
    ruleset = use_stricter(tmp_path)
    async with world.instance.db.write() as tx:
        from parley.safety.sweeps.actions import carry_on_file_sweeps

        await carry_on_file_sweeps(tx, ruleset)
        await carry_on_file_sweeps(tx, ruleset)
    new, old = await sweeps(world)
    assert (old.id, old.state) == (view.id, "aborted")
    assert str(new.id) in old.note
    assert (new.state, new.ruleset, new.total) == ("planned", ruleset.sha256, view.total - half.cursor)
    counting = await count_sweep(world.instance.db, ada, new.id, OwnThread(ruleset), ruleset)
    assert counting.effects["hide"] >= 3
    async with world.instance.db.write() as tx:
        assert await approve_sweep(tx, ada, world.settings, new.id)
    await run_sweep(world.instance.db, world.settings, new.id, OwnThread(ruleset), ruleset)
    assert {await state_of(world, status) for status in posts} == {"hidden_interim"}
    async with world.instance.db.read() as tx:
        changed = [change.subject_id for sweep in (new, old) for change in await list_changes(tx, sweep.id)]
    assert sorted(changed) == sorted(int(status["id"]) for status in posts), "each once"


async def test_what_was_not_looked_for_yet_is_looked_for_under_the_new_ruleset(world: World, tmp_path: Path) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    name = await make_bank(world, "hold", clause=clause_of(0))
    path = tmp_path / "known.jpg"
    path.write_bytes(FILE)
    await hash_banks.add_file(world.instance, name, path)
    before = screening.live_ruleset()
    async with world.instance.db.read() as tx:
        payload = await tx.fetchval("SELECT payload FROM events WHERE type = 'HashesBanked'")
    await plan_sweep_of_hashes(world.instance, {"account_id": 0, **payload})
    (planned,) = await sweeps(world)
    ruleset = use_stricter(tmp_path)
    with pytest.raises(Conflict):
        await gather(world.instance, planned.id, ruleset, seconds=5)
    from parley.safety.sweeps.actions import carry_on_file_sweeps

    async with world.instance.db.write() as tx:
        await carry_on_file_sweeps(tx, ruleset)
    new, old = await sweeps(world)
    assert (old.state, new.state) == ("aborted", "planned")
    assert await gather(world.instance, new.id, ruleset, seconds=30) == "done"
    assert await state_of(world, posted) == "hidden_interim"
    assert before.sha256 != ruleset.sha256


async def test_looking_goes_on_where_it_was_cut_off_and_finds_nothing_twice(world: World) -> None:
    await known(world, "alice", "bob")
    posts = [await share(world, "alice", jpeg(scene(seed))) for seed in (31, 32, 33)]
    name = await make_bank(world, "hold", clause=clause_of(0))
    for number, seed in enumerate((31, 32, 33)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"known{number}"
            path.write_bytes(jpeg(scene(seed)))
            await hash_banks.add_file(world.instance, name, path)
    # The jobs run in any order, and more than once.
    await world.run_jobs()
    (view,) = await sweeps(world)
    await gather_for_sweep(world.instance, {"sweep_id": view.id})
    await gather_for_sweep(world.instance, {"sweep_id": view.id})
    assert [await state_of(world, status) for status in posts] == ["hidden_interim"] * 3
    assert await count(world, "SELECT count(*) FROM sweep_changes") == 3
    assert await count(world, "SELECT count(*) FROM sweep_subjects") == 6


async def test_a_sweep_whose_files_are_still_being_looked_for_is_not_counted(world: World) -> None:
    await known(world, "alice", "bob")
    await share(world, "alice", FILE)
    await bank(world, "hold", 1)
    (view,) = await sweeps(world)
    async with world.instance.db.write() as tx:
        await store_files.insert_span(tx, view.id, 1, 1, 10)
    ruleset = screening.live_ruleset()
    with pytest.raises(Conflict, match="still being looked for"):
        await count_sweep(world.instance.db, await staff(world), view.id, OwnThread(ruleset), ruleset)


async def test_entries_that_nothing_here_is_like_leave_a_counted_sweep_behind(world: World) -> None:
    await known(world, "alice", "bob")
    await share(world, "alice", OTHER)
    await bank(world, "quarantine", 0)
    view = await counted(world)
    assert (view.state, view.total, view.acted) == ("aborted", 0, 0)
    assert "nothing to approve" in view.note
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'SweepCounted'") == 1


async def test_an_entry_that_was_disputed_before_the_sweep_ran_hides_nothing(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    await bank(world, "hold", 1)
    view = await counted(world)
    async with world.instance.db.write() as tx:
        entry = await tx.fetchval("SELECT min(entry) FROM bank_hashes")
        await hash_banks.dispute_entry(tx, entry)
    done = await run(world, view.id)
    assert (done.state, done.acted) == ("completed", 0)
    assert await state_of(world, posted) == "published"


async def test_a_bank_that_leaves_the_background_is_looked_for_in_the_past(world: World) -> None:
    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    name = await make_bank(world, "hold", clause=clause_of(0), state="BACKGROUND")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known"
        path.write_bytes(FILE)
        await hash_banks.add_file(world.instance, name, path)
    await world.run_jobs()
    assert (await counted(world)).state == "aborted"
    assert await state_of(world, posted) == "published"
    async with world.instance.db.write() as tx:
        await hash_banks.make_bank(tx, name, tier="hold", clause=clause_of(0), change=True)
    await world.run_jobs()
    assert await state_of(world, posted) == "hidden_interim"


async def test_a_sweep_over_files_does_not_stand_in_for_one_over_history(world: World, tmp_path: Path) -> None:
    await known(world, "alice", "bob")
    await share(world, "alice", FILE)
    await bank(world, "hold", 1)
    ruleset = screening.live_ruleset()
    about = {"ruleset": ruleset.sha256, "what": "bank", "changed": []}
    await plan_sweep_of_change(world.instance, about)
    async with world.instance.db.read() as tx:
        scopes = sorted(one.scope for one in await store.list_sweeps(tx, 10, only_open=True))
    assert scopes == ["files", "history"]


async def test_a_later_sweep_of_all_history_leaves_hidden_what_was_hidden_for_its_file(
    world: World, tmp_path: Path
) -> None:
    from tests.safety.sweeping import sweep

    await known(world, "alice", "bob")
    posted = await share(world, "alice", FILE)
    await bank(world, "hold", 0)
    row = await sweep(world, use_stricter(tmp_path), release=True)
    assert row.state == "completed"
    assert await state_of(world, posted) == "hidden_interim"


async def test_a_bank_picture_of_the_operator_is_no_concern_of_an_empty_instance(world: World) -> None:
    await bank_picture(world, "reject", FILE)
    await world.run_jobs()
    assert await sweeps(world) == []
