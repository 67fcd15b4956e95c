"""Which decisions repeat which for copies. SQL only; no rule lives here."""

from __future__ import annotations

from parley.kit.db import Tx

INSERT_COPY = """INSERT INTO decision_copies (decision_id, copy_of_id) VALUES ($1, $2)"""


async def insert_copy(tx: Tx, decision_id: int, copy_of_id: int) -> None:
    """A decision repeats another for copies of what that was about."""
    await tx.execute(INSERT_COPY, decision_id, copy_of_id)


GET_COPY_OF = """SELECT copy_of_id FROM decision_copies WHERE decision_id = $1"""


async def get_copy_of(tx: Tx, decision_id: int) -> int | None:
    """The decision that this one repeats."""
    found: int | None = await tx.fetchval(GET_COPY_OF, decision_id)
    return found


LIST_COPIES_IN_FORCE = """
    SELECT c.decision_id FROM decision_copies c JOIN decisions d ON d.id = c.decision_id
    WHERE c.copy_of_id = $1 AND d.reversed_by_id IS NULL ORDER BY c.decision_id
"""


async def list_copies_in_force(tx: Tx, decision_id: int) -> list[int]:
    """Decisions that repeat this one for copies and were not taken back, in order."""
    return [row[0] for row in await tx.fetch(LIST_COPIES_IN_FORCE, decision_id)]


COUNT_COPY_SUBJECTS = """
    SELECT count(*) FROM decision_copies c JOIN decisions d ON d.id = c.decision_id
    JOIN decision_actions a ON a.decision_id = d.id
    WHERE c.copy_of_id = $1 AND d.reversed_by_id IS NULL AND a.reversed_at IS NULL
"""


async def count_copy_subjects(tx: Tx, decision_id: int) -> int:
    """To how many copies was done what this decision did, as far as it is in force."""
    return int(await tx.fetchval(COUNT_COPY_SUBJECTS, decision_id))


LIST_WAITING_COPIES = """
    SELECT id FROM decision_proposals WHERE copies_of_id = $1 AND state = 'waiting' ORDER BY id
"""


async def list_waiting_copies(tx: Tx, decision_id: int) -> list[int]:
    """Ids of proposals to repeat this decision for copies that wait."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_COPIES, decision_id)]
