"""Members who qualify for a jury, and a case that waits for one."""

from __future__ import annotations

from typing import Any

from parley.safety.cases.actions import move_case
from parley.safety.juries.actions import answer_question, set_jury_wish
from parley.safety.juries.jobs import run_juries
from parley.safety.juries.reads import get_duties
from parley.safety.log.views import human
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.appeals.deciding import viewer_of


async def jurors(world: World, count: int) -> list[Viewer]:
    """Members who wish to sit on juries and may."""
    found = []
    for number in range(count):
        viewer = await viewer_of(world, f"juror_{number}")
        async with world.instance.db.write() as tx:
            await tx.execute(
                "UPDATE accounts SET created_at = now() - interval '1 year' WHERE id = $1", viewer.account_id
            )
            await tx.execute(
                """INSERT INTO account_stats (account_id, statuses_count, last_status_at) VALUES ($1, 50, now())
                   ON CONFLICT (account_id) DO UPDATE SET statuses_count = 50, last_status_at = now()""",
                viewer.account_id,
            )
            await set_jury_wish(tx, world.settings, viewer, True)
        found.append(viewer)
    return found


async def report_spam(world: World, name: str, status: dict[str, Any], clause: str = "8.2") -> int:
    """`name` reports a status under a clause; returns the case."""
    answer = await (await world.client(name)).post(
        "/api/v1/reports",
        json={
            "account_id": status["account"]["id"],
            "status_ids": [status["id"]],
            "rule_ids": [clause],
            "category": "violation",
        },
    )
    assert answer.status_code == 200, answer.text
    async with world.instance.db.read() as tx:
        case_id = await tx.fetchval("SELECT case_id FROM reports WHERE id = $1", int(answer.json()["id"]))
    assert case_id is not None
    return int(case_id)


async def before_a_jury(world: World, case_id: int) -> None:
    """A moderator puts the case before a jury; it is convened, and then drawn."""
    mia = await viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.write() as tx:
        await move_case(tx, human(mia), case_id, "jury", viewer=mia)
    await run_juries(world.instance, {})
    await run_juries(world.instance, {})


async def seated(world: World) -> list[int]:
    """Accounts that sit on juries now, in the order of the lot."""
    async with world.instance.db.read() as tx:
        rows = await tx.fetch(
            "SELECT account_id FROM jury_seats WHERE jury_id IS NOT NULL AND state = 'called' ORDER BY rank"
        )
    return [row[0] for row in rows]


async def vote(world: World, viewers: list[Viewer], votes: list[str]) -> None:
    """Those who are asked answer all that they are asked, one after the other."""
    asked = {viewer.account_id: viewer for viewer in viewers}
    for account_id, said in zip(await seated(world), votes, strict=False):
        async with world.instance.db.read() as tx:
            duties = (await get_duties(tx, world.settings, asked[account_id])).duties
        for duty in duties:
            async with world.instance.db.write() as tx:
                await answer_question(tx, world.settings, asked[account_id], duty.seat_id, said)
