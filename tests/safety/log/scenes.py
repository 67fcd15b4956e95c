"""Something in the log to look at."""

from __future__ import annotations

from parley.safety.evidence.actions import capture_evidence
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, system
from tests.conftest import World

NOTE = "INSERT INTO case_notes (account_id, written_by, text) VALUES ($1, $2, 'a note')"


async def make_log(world: World) -> int:
    """Two reports, a note, evidence; returns the reported status's id."""
    status = await world.post("spam_sam", "buy my pills")
    for name in ("alice", "bob"):
        answer = await (await world.client(name)).post(
            "/api/v1/reports", json={"account_id": str(world.ids["spam_sam"]), "status_ids": [status["id"]]}
        )
        assert answer.status_code == 200, answer.text
    mia = await world.account("mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "account_noted")
        await tx.execute(NOTE, world.ids["spam_sam"], mia)
        await capture_evidence(tx, Subject("status", int(status["id"])), case_id=None, why="test")
    await world.run_jobs()
    return int(status["id"])


async def go_on(world: World) -> None:
    """One more entry."""
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "something_happened")
