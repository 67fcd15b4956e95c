"""A policy goes live once it passes its tests, was tried on history and, where it stops much, two people agree."""

from __future__ import annotations

import asyncio
import re
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest

from parley import screening
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from parley.screening.reading import hash_files
from parley.social.policies import live
from parley.social.policies.actions import (
    activate_policy,
    approve_policy,
    find_version,
    propose_policy,
    record_backtest,
)
from parley.social.policies.live import load_live, load_ruleset
from parley.social.policies.reads import get_version_files, list_activations, list_policy_versions
from tests.conftest import World
from tests.policies.conftest import FOUR_TAGS, STRICTER, small, staff
from tests.sessions.pages import mails


async def proposed(world: World, tx: Tx, name: str = "alice", **changes: tuple[str, str]) -> str:
    return await propose_policy(tx, await staff(world, name), small(**(changes or STRICTER)), note="trying")


async def tried(
    world: World, tx: Tx, sha256: str, *, stopped: int = 3, released: int = 0, judged: int = 10_000
) -> None:
    against = screening.live_ruleset().sha256
    await record_backtest(tx, sha256, backtest_id=7, against=against, judged=judged, stopped=stopped, released=released)


MILDER = {"rules": ("id: links-hold\n    state: LIVE", "id: links-hold\n    state: BACKGROUND")}


async def events(tx: Tx, kind: str) -> list[dict[str, Any]]:
    return [row["payload"] for row in await tx.fetch("SELECT payload FROM events WHERE type = $1 ORDER BY id", kind)]


async def test_the_policy_of_the_folder_is_kept_whole_when_an_instance_starts(ruled: World) -> None:
    async with ruled.instance.db.read() as tx:
        (version,) = await list_policy_versions(tx)
        assert (version.source, version.live) == ("folder", True)
        assert await get_version_files(tx, version.sha256) == small()
        assert version.sha256 == hash_files(small()) == screening.live_ruleset().policy_sha256
        (change,) = await events(tx, "RulesetChanged")
        assert (change["what"], change["ruleset"]) == ("program", screening.live_ruleset().sha256)
    await load_live(ruled.instance.db, ruled.settings, starting=True)
    async with ruled.instance.db.read() as tx:
        assert len(await list_activations(tx)) == 1, "starting again changes nothing"


async def test_a_version_that_was_tried_goes_live_everywhere_at_once(ruled: World) -> None:
    assert "moderation" not in await ruled.post("bob", FOUR_TAGS)
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256)
        done = await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
    assert [str(change) for change in done.changes if change.stops] == [
        "rule four-tags: is new (LIVE): hold when content.tags == 4"
    ]
    ruleset = await load_live(ruled.instance.db, ruled.settings)
    assert ruleset.sha256 == done.ruleset
    held = await ruled.post("bob", FOUR_TAGS)
    assert held["moderation"]["state"] == "held"
    async with ruled.instance.db.read() as tx:
        (activation, first) = await list_activations(tx)
        assert (activation.activated_name, activation.backtest_id, activation.needs_second) == ("alice", 7, False)
        (fact,) = [f for f in await events(tx, "RulesetChanged") if f["what"] == "policy"]
        assert (fact["previous"], fact["changed"]) == (first.ruleset, ["rule:four-tags"])
        old = await load_ruleset(tx, first.ruleset)
        assert (old.sha256, "four-tags" in [rule.id for rule in old.rules]) == (first.ruleset, False)


async def test_every_process_hears_of_it_without_a_restart(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256)
        done = await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
        assert screening.live_ruleset().sha256 != done.ruleset
    await until_live(done.ruleset)


async def test_what_could_not_be_loaded_is_loaded_again_without_another_message(
    ruled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, failures = live.load_live, iter([Unavailable("no connection is free"), ConnectionResetError("gone")])

    async def fail_twice(*asked: Any, **how: Any) -> Any:
        if error := next(failures, None):
            raise error
        return await load(*asked, **how)

    monkeypatch.setattr(live, "load_live", fail_twice)
    monkeypatch.setattr(live, "RETRY_SECONDS", 0.01)
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256)
        done = await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
    await until_live(done.ruleset)
    assert next(failures, None) is None


async def until_live(sha256: str) -> None:
    for _ in range(100):
        if screening.live_ruleset().sha256 == sha256:
            break
        await asyncio.sleep(0.05)
    assert screening.live_ruleset().sha256 == sha256


async def test_an_activated_version_stands_before_the_folder(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256)
        await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
    ruleset = await load_live(ruled.instance.db, ruled.settings, starting=True)
    assert ruleset.policy_sha256 == sha256


async def test_what_ships_anew_is_kept_beside_an_activated_version_and_takes_over_where_it_is_followed(
    ruled: World,
) -> None:
    shipped_anew = msgspec.structs.replace(ruled.settings, policy_dir="")
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256)
        await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
    assert (await load_live(ruled.instance.db, shipped_anew, starting=True)).policy_sha256 == sha256
    async with ruled.instance.db.write() as tx:
        assert [view.source for view in await list_policy_versions(tx)] == ["shipped", "proposed", "folder"]
        await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings, follow=True)
    assert (await load_live(ruled.instance.db, shipped_anew, starting=True)).policy_sha256 != sha256


async def test_without_a_backtest_nothing_goes_live_that_stops_more(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        with pytest.raises(Conflict, match="rule:four-tags may stop more than before: run `parley policy backtest"):
            await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)


async def test_a_backtest_against_an_older_policy_does_not_count(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await record_backtest(tx, sha256, backtest_id=7, against="0" * 64, judged=9, stopped=0)
        with pytest.raises(Conflict, match="against what is live now"):
            await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)


@pytest.mark.parametrize(("stopped", "judged"), [(101, 1_000_000), (6, 1000)])
async def test_what_stops_much_needs_four_eyes(stopped: int, judged: int, ruled: World) -> None:
    alice, mia = await staff(ruled, "alice"), await staff(ruled, "mod_mia", "moderator")
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256, stopped=stopped, judged=judged)
        with pytest.raises(Conflict, match="somebody other than @alice runs `parley policy approve"):
            await activate_policy(tx, alice, sha256, ruled.settings)
        with pytest.raises(Forbidden, match="Somebody else has to approve it"):
            await approve_policy(tx, alice, sha256)
        with pytest.raises(Forbidden):
            await approve_policy(tx, await staff(ruled, "spam_sam", "member"), sha256)
        await approve_policy(tx, mia, sha256[:10], note="read it")
        done = await activate_policy(tx, alice, sha256, ruled.settings)
        assert (done.needs_second, done.alone) == (True, False)
        assert (await list_policy_versions(tx))[0].approved_by == ("mod_mia",)


async def test_one_person_may_go_without_four_eyes_but_it_is_on_record(ruled: World) -> None:
    alone = msgspec.structs.replace(ruled.settings, four_eyes=False)
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        await tried(ruled, tx, sha256, stopped=5000)
        done = await activate_policy(tx, await staff(ruled, "alice"), sha256, alone, note="spring cleaning")
        assert done.alone
        (activation, _) = await list_activations(tx)
        assert activation.note == "spring cleaning; WITHOUT FOUR EYES: the setting four_eyes is off"
        assert [fact["alone"] for fact in await events(tx, "PolicyActivated")] == [True]


async def test_an_emergency_replaces_the_backtest_but_not_the_second_person(ruled: World) -> None:
    alice = await staff(ruled, "alice")
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx)
        with pytest.raises(Conflict, match="policy approve"):
            await activate_policy(tx, alice, sha256, ruled.settings, emergency="a raid is under way")
        await approve_policy(tx, await staff(ruled, "mod_mia", "moderator"), sha256)
        await activate_policy(tx, alice, sha256, ruled.settings, emergency="a raid is under way")
        (activation, _) = await list_activations(tx)
        assert activation.note == "EMERGENCY, without a backtest: a raid is under way"


async def test_nothing_that_lets_more_through_goes_live_without_a_backtest(ruled: World) -> None:
    alice = await staff(ruled, "alice")
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, **MILDER)
        with pytest.raises(Conflict, match="may let more through than before: run `parley policy backtest"):
            await activate_policy(tx, alice, sha256, ruled.settings)
        await tried(ruled, tx, sha256, stopped=0, released=3)
        done = await activate_policy(tx, alice, sha256, ruled.settings)
        assert (done.needs_second, [change.frees for change in done.changes]) == (False, [True])


async def test_what_lets_much_through_needs_four_eyes(ruled: World) -> None:
    alice = await staff(ruled, "alice")
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, **MILDER)
        await tried(ruled, tx, sha256, stopped=0, released=101)
        with pytest.raises(Conflict, match="may let through more than one person decides on"):
            await activate_policy(tx, alice, sha256, ruled.settings)
        await approve_policy(tx, await staff(ruled, "mod_mia", "moderator"), sha256)
        done = await activate_policy(tx, alice, sha256, ruled.settings)
        assert (done.needs_second, done.alone) == (True, False)


async def test_a_rule_that_misfires_at_night_is_stopped_by_one_person_who_says_why(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, **MILDER)
        await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings, emergency="it holds everybody")
        (activation, _) = await list_activations(tx)
        assert activation.note == "EMERGENCY, without a backtest: it holds everybody"
        assert [fact["without_backtest"] for fact in await events(tx, "PolicyActivated")] == [True]


async def test_what_one_person_switches_off_in_an_emergency_is_mailed_to_every_admin_and_owner(ruled: World) -> None:
    for name, role in (("owen", "owner"), ("mod_mia", "moderator"), ("bob", "member")):
        await ruled.account(name, role=role)
    before = screening.live_ruleset().policy_sha256
    why = "it holds everybody"
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, **MILDER)
        done = await activate_policy(
            tx, await staff(ruled, "alice"), sha256, ruled.settings, note="03:12", emergency=why
        )
        assert done.emergency
    await load_live(ruled.instance.db, ruled.settings)
    await ruled.run_jobs()
    letters = emergencies(ruled)
    assert sorted(str(letter["To"]) for letter in letters) == ["alice@example.org", "owen@example.org"]
    text = letters[0].get_content().replace("\r\n", "\n")
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.search(f"@alice has made the policy {sha256[:12]} live in an emergency, on {moment}: alone,", text)
    assert "Why: it holds everybody\nNote: 03:12" in text
    assert "rule links-hold: LIVE becomes BACKGROUND" in text
    # What it says of going back is what has to be done: nothing else that is typed brings the old version back.
    for line in (
        f"parley policy approve {before[:12]} --as SOMEBODY_ELSE",
        f'parley policy activate {before[:12]} --as NAME --follow --emergency "why"',
    ):
        assert line in text
    async with ruled.instance.db.write() as tx:
        await approve_policy(tx, await staff(ruled, "mod_mia", "moderator"), before[:12])
        await activate_policy(
            tx, await staff(ruled, "alice"), before[:12], ruled.settings, emergency="back", follow=True
        )
    assert (await load_live(ruled.instance.db, ruled.settings)).policy_sha256 == before
    await ruled.run_jobs()
    last = emergencies(ruled)[-1].get_content()
    assert "with the approval of a second person," in last, "that was an emergency too"
    assert "rule links-hold: BACKGROUND becomes LIVE" in last


async def test_the_letter_about_an_emergency_is_queued_with_it_and_not_without(ruled: World) -> None:
    alice = await staff(ruled, "alice")
    with pytest.raises(ZeroDivisionError):
        async with ruled.instance.db.write() as tx:
            sha256 = await proposed(ruled, tx, **MILDER)
            await activate_policy(tx, alice, sha256, ruled.settings, emergency="it holds everybody")
            raise ZeroDivisionError
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, **MILDER)
        await tried(ruled, tx, sha256, stopped=0, released=3)
        done = await activate_policy(tx, alice, sha256, ruled.settings, emergency="nobody needs this reason")
        assert not done.emergency, "it was tried on history"
        assert await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'mail_emergency'") == 0
    await ruled.run_jobs()
    assert emergencies(ruled) == []


def emergencies(world: World) -> list[EmailMessage]:
    return [letter for letter in mails(world.settings) if "in an emergency" in str(letter["Subject"])]


async def test_a_change_that_stops_nothing_more_and_frees_nothing_needs_neither(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        sha256 = await proposed(ruled, tx, policy=("name: A small policy", "name: Our own rules"))
        done = await activate_policy(tx, await staff(ruled, "alice"), sha256, ruled.settings)
    assert not done.needs_second


async def test_members_and_moderators_cannot_make_a_policy_live(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await propose_policy(tx, await staff(ruled, "spam_sam", "member"), small())
        sha256 = await proposed(ruled, tx)
        with pytest.raises(Forbidden, match="Only admins and owners"):
            await activate_policy(tx, await staff(ruled, "mod_mia", "moderator"), sha256, ruled.settings)


async def test_a_policy_with_problems_or_failing_tests_is_not_even_kept(ruled: World) -> None:
    alice = await staff(ruled, "alice")
    async with ruled.instance.db.write() as tx:
        with pytest.raises(Invalid, match=r"rules\.yaml:"):
            await propose_policy(tx, alice, small(rules=("words.reject.count > 0", "nothing > 0")))
        with pytest.raises(Invalid, match="Tests of the policy fail"):
            failing = (STRICTER["rules"][0], STRICTER["rules"][1].replace("[a, b, c, d]", "[a, b]"))
            await propose_policy(tx, alice, small(rules=failing))
        assert len(await list_policy_versions(tx)) == 1
        for wrong in ("", "zz", "0000", "%"):
            with pytest.raises(NotFound):
                await find_version(tx, wrong)


async def test_a_folder_with_a_broken_policy_leaves_what_was_live(ruled: World, tmp_path: Any) -> None:
    before = screening.live_ruleset().sha256
    folder = tmp_path / "policy"
    folder.mkdir()
    for name, content in small(rules=("words.reject.count > 0", "nothing > 0")).items():
        (folder / name).write_bytes(content)
    broken = msgspec.structs.replace(ruled.settings, policy_dir=str(folder))
    assert (await load_live(ruled.instance.db, broken, starting=True)).sha256 == before
    for name, content in small(**STRICTER).items():
        (folder / name).write_bytes(content)
    assert (await load_live(ruled.instance.db, broken, starting=True)).sha256 != before
    async with ruled.instance.db.read() as tx:
        assert (await list_policy_versions(tx))[0].source == "folder"


async def test_a_process_that_cannot_load_what_is_live_keeps_what_it_has_and_says_so(
    ruled: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = screening.live_ruleset()
    broken = small(rules=("words.reject.count > 0", "signal.of.tomorrow > 0"))
    sha256 = hash_files(broken)
    async with ruled.instance.db.write() as tx:  # as a newer program, which knows more signals, leaves it
        await tx.execute(
            "INSERT INTO policy_versions (sha256, name, version, source) VALUES ($1, 'x', '9.0.0', 'proposed')", sha256
        )
        for name, content in broken.items():
            await tx.execute("INSERT INTO policy_files VALUES ($1, $2, $3)", sha256, name, content)
        await tx.execute(
            "INSERT INTO policy_activations (sha256, ruleset, pinned) VALUES ($1, $2, true)", sha256, "0" * 64
        )
    assert await load_live(ruled.instance.db, ruled.settings) is before
    assert "cannot be used" in caplog.text
    assert "signal.of.tomorrow" in caplog.text
    assert (await load_live(ruled.instance.db, ruled.settings, starting=True)).policy_sha256 == before.policy_sha256
