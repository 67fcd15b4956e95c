"""Who moderates hears of every report, and nobody else does."""

from __future__ import annotations

from typing import Any

from tests.conftest import World
from tests.notifications.told import PATH, notifications, told
from tests.oracle import assert_entity
from tests.timelines.walk import act


async def _report(world: World, who: str, whom: str, comment: str = "look") -> dict[str, Any]:
    target = await world.account(whom)
    answer = await (await world.client(who)).post(
        "/api/v1/reports", json={"account_id": str(target), "comment": comment}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _staff(world: World) -> None:
    await world.account("mod_mia", role="moderator")
    for name in ("alice", "bob", "spam_sam"):
        await world.account(name)
    await world.run_jobs()
    await (await world.client("mod_mia")).post(f"{PATH}/clear")


async def test_staff_are_told_of_a_report_with_the_report_itself(world: World) -> None:
    await _staff(world)
    report = await _report(world, "alice", "spam_sam", "he sells pills")
    (found,) = await notifications(world, "mod_mia")
    assert_entity("Notification", found)
    assert (found["type"], found["account"]["username"]) == ("admin.report", "alice")
    assert found["report"]["id"] == report["id"]
    assert (found["report"]["comment"], found["report"]["target_account"]["acct"]) == ("he sells pills", "spam_sam")
    mia = await world.client("mod_mia")
    assert (await mia.get(f"{PATH}/{found['id']}")).json()["report"] == found["report"]
    (group,) = (await mia.get("/api/v2/notifications")).json()["notification_groups"]
    assert group["report"]["id"] == report["id"]
    for name in ("bob", "spam_sam", "alice"):
        assert await told(world, name) == []


async def test_each_report_is_told_once_also_by_somebody_whom_a_moderator_blocked(world: World) -> None:
    from parley.social.notifications.jobs import notify_of_report

    await _staff(world)
    await act(world, "mod_mia", f"/api/v1/accounts/{world.ids['alice']}/block")
    first = await _report(world, "alice", "spam_sam")
    await _report(world, "alice", "bob")
    assert await told(world, "mod_mia") == [("admin.report", "alice")] * 2
    await notify_of_report(
        world.instance, {"account_id": world.ids["alice"], "report_id": int(first["id"]), "target_id": 1}
    )
    assert len(await told(world, "mod_mia")) == 2


async def test_who_is_no_longer_staff_sees_no_report(world: World) -> None:
    from parley.social.sessions.actions import set_role_by_operator

    await _staff(world)
    await _report(world, "alice", "spam_sam")
    (found,) = await notifications(world, "mod_mia")
    async with world.instance.db.write() as tx:
        await set_role_by_operator(tx, "mod_mia", "member")
    mia = await world.client("mod_mia")
    assert await told(world, "mod_mia") == []
    assert (await mia.get(f"{PATH}/{found['id']}")).status_code == 404
    assert (await mia.get(f"{PATH}/unread_count")).json() == {"count": 0}
    assert (await mia.get("/api/v2/notifications")).json()["notification_groups"] == []


async def test_a_page_of_reports_takes_as_many_queries_as_one_report(world: World) -> None:
    await _staff(world)
    mia = await world.client("mod_mia")
    counts = []
    for whom in ("spam_sam", "bob"):
        await _report(world, "alice", whom)
        await world.run_jobs()
        await mia.get(PATH)
        with world.queries() as seen:
            assert (await mia.get(PATH)).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]
