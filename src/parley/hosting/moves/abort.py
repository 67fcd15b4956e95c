"""Turning a move back, as long as that is possible: the old host opens again, and nothing is lost."""

from __future__ import annotations

from parley.hosting.moves.doing import MoveStopped
from parley.hosting.moves.run import Move
from parley.hosting.moves.states import Standing, may_undo

REASON = "The operator turned it back."


async def abort_move(move: Move, *, reason: str = REASON) -> Standing:
    """Undo what was done. Raises MoveStopped when the other host has taken over, or nobody can know whether it has."""
    await move.take_up()
    standing = move.standing
    order = standing.order
    if standing.is_closed:
        return standing
    if not may_undo(standing):
        raise MoveStopped(
            f"{order.target} has taken over and writes: there is no way back. Bring this move to its end with "
            f"`parley move run`, then move back with `parley move run --to {order.source}`."
        )
    if not standing.undoing:
        await move.journal.add(("undoing", "", {"reason": reason}))
    return await move.carry_on()
