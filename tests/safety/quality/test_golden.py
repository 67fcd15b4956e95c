"""Known answers: which decisions become one, and which stop being one."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import time_travel
from parley.safety.decisions.actions import reverse_decision
from parley.safety.golden.jobs import refresh_golden_cases
from parley.safety.golden.reads import count_golden, list_unseen_cases, without_names
from parley.safety.log.views import human
from parley.safety.quality.jobs import draw_checks
from tests.conftest import World
from tests.safety.appeals.deciding import decide_about, viewer_of
from tests.safety.juries.sitting import report_spam


async def test_undisputed_decisions_become_known_answers_until_they_are_reversed(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    removed = await decide_about(world, mia, await world.post("spam_sam", "Cheap watches"), "remove")
    bread = await world.post("alice", "Good bread")
    await report_spam(world, "bob", bread)
    await decide_about(world, mia, bread, "no_action")
    private = await world.post("alice", "For my friends", visibility="private")
    await decide_about(world, mia, private, "remove")
    await refresh_golden_cases(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await count_golden(tx) == (0, 0)  # too fresh: somebody may still object
    with time_travel(timedelta(days=31)):
        await refresh_golden_cases(world.instance, {})
        await refresh_golden_cases(world.instance, {})
    async with world.instance.db.write() as tx:
        assert await count_golden(tx) == (1, 1)
        max_ = await viewer_of(world, "mod_max", "moderator")
        asked = {(one.expected, one.clause) for one in await list_unseen_cases(tx, max_.account_id, 9)}
        assert asked == {("breaks", "7.1"), ("fine", "8.2")}
        reporter = await list_unseen_cases(tx, world.ids["bob"], 9)
        assert [one.expected for one in reporter] == ["breaks"]
        assert not await list_unseen_cases(tx, mia.account_id, 9)  # whoever decided knows the answer
        author = await list_unseen_cases(tx, world.ids["spam_sam"], 9)
        assert [one.expected for one in author] == ["fine"]
        await draw_checks(tx)
        waiting = await tx.fetchval("SELECT count(*) FROM quality_checks WHERE golden_id IS NOT NULL")
        assert waiting == 1  # one a day for mod_max, none for who decided
        await reverse_decision(tx, world.settings, human(mia), removed.id, kind="undo", viewer=mia)
    await refresh_golden_cases(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await count_golden(tx) == (0, 1)


def test_names_and_profiles_are_taken_out_of_what_is_read() -> None:
    text = "@alice and @bob@remote.example, see https://social.example/@carol/12 and mail dora@example.org"
    shown = without_names(text)
    for name in ("alice", "bob", "remote.example", "carol"):
        assert name not in shown
    assert "dora@example.org" in shown
    assert without_names("no names at all") == "no names at all"
