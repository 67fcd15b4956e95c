"""Disclosing one hidden value of the log, with the proof that it is what the log was told.

The log holds salted commitments of what people wrote (migrations/0033, docs/decisions/0020-hidden-columns.md). Whoever
has the log and the opening of a value can check that value, and learns of no other. It is not forgotten that a value
was opened. Nothing here decides who may have it: the door does.
"""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.log import store_chain
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, OpenedValue

KIND = "parley opened value"


async def open_value(tx: Tx, actor: Actor, table: str, row_id: int, column: str) -> OpenedValue:
    """One hidden value as it is now, with its opening. Raises NotFound for what the log does not hide, or is gone."""
    found = await store_chain.get_opened_value(tx, table, row_id, column)
    if found is None:
        raise NotFound(
            f"The log hides no value in the column {column} of row {row_id} of {table}: the table or the column is "
            "another one, or the value was erased, and then nobody can prove it any more."
        )
    await append_event(tx, actor, "value_opened", table=table, row=str(row_id), column=column)
    value, opening = found
    return OpenedValue(kind=KIND, table=table, id=str(row_id), column=column, value=value, opening=opening.hex())
