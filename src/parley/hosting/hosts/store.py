"""What the agent asks PostgreSQL about replication, and the few things that it tells it. SQL only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

GET_SELF = """
    SELECT pg_is_in_recovery(), s.system_identifier::text,
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text,
           pg_last_wal_receive_lsn()::text,
           extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
           CASE WHEN pg_is_in_recovery() THEN 0
                ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int END
    FROM pg_control_system() s
"""


class SelfRow(msgspec.Struct, frozen=True):
    """What a running server says of itself. `lsn`: flushed, or replayed; `timeline` 0 while it follows another."""

    in_recovery: bool
    system_id: str
    lsn: str | None
    received_lsn: str | None
    replay_age: float | None
    timeline: int


async def get_self(connection: Any) -> SelfRow:
    """Where the server stands."""
    return SelfRow(*await connection.fetchrow(GET_SELF))


GET_RECEIVER = """
    SELECT status, received_tli, latest_end_lsn::text,
           extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8
    FROM pg_stat_wal_receiver
"""


class ReceiverRow(msgspec.Struct, frozen=True):
    """The stream from the server that is followed; `latest_lsn` is where that one stood when it last said so."""

    status: str
    timeline: int | None
    latest_lsn: str | None
    silent_seconds: float | None


async def get_receiver(connection: Any) -> ReceiverRow | None:
    """The stream that comes in; None when there is none."""
    row = await connection.fetchrow(GET_RECEIVER)
    return ReceiverRow(*row) if row else None


LIST_STANDBYS = """
    SELECT application_name, state = 'streaming', sync_state,
           pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::bigint,
           coalesce(extract(epoch FROM replay_lag), 0)::float8
    FROM pg_stat_replication WHERE application_name = ANY($1)
"""


class StandbyRow(msgspec.Struct, frozen=True):
    """A server that follows this one."""

    name: str
    streaming: bool
    sync_state: str
    behind_bytes: int | None
    behind_seconds: float


async def list_standbys(connection: Any, names: list[str]) -> list[StandbyRow]:
    """Those of these names that are connected now."""
    return [StandbyRow(*row) for row in await connection.fetch(LIST_STANDBYS, names)]


LIST_SLOTS = """
    SELECT slot_name::text, wal_status = 'lost' FROM pg_replication_slots WHERE slot_name LIKE 'parley\\_%'
"""


async def list_slots(connection: Any) -> dict[str, bool]:
    """Our replication slots, and whether what they keep was thrown away all the same."""
    return {row[0]: bool(row[1]) for row in await connection.fetch(LIST_SLOTS)}


MAKE_SLOT = """
    SELECT pg_create_physical_replication_slot($1, true)
"""
DROP_SLOT = """
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active
"""


async def insert_slot(connection: Any, name: str) -> None:
    """Keep from now on what the follower needs whose slot this is."""
    await connection.execute(MAKE_SLOT, name)


async def delete_slot(connection: Any, name: str) -> None:
    """Keep it no longer; a slot in use stays."""
    await connection.execute(DROP_SLOT, name)


GET_META = """
    SELECT m.schema_version, m.epoch,
           (SELECT max(created_at) FROM hosting_records WHERE kind = 'drill' AND ok),
           (SELECT max(created_at) FROM hosting_records WHERE kind = 'snapshot' AND ok)
    FROM parley_meta m
"""


class MetaRow(msgspec.Struct, frozen=True):
    """What the instance's own tables say."""

    schema_version: int
    epoch: int
    last_drill: datetime | None
    last_snapshot: datetime | None


HAS_META = """
    SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('parley_meta') AND attname = 'epoch')
"""


async def get_meta(connection: Any) -> MetaRow | None:
    """Schema version, epoch, and when the last drill and snapshot went well; None before the schema is there."""
    if not await connection.fetchval(HAS_META):
        return None
    return MetaRow(*await connection.fetchrow(GET_META))


COUNT_WRITERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND backend_xid IS NOT NULL
"""


async def count_writers(connection: Any) -> int:
    """Transactions that have written something and are not at their end."""
    return int(await connection.fetchval(COUNT_WRITERS))


CHECKPOINT = """
    CHECKPOINT
"""


async def update_checkpoint(connection: Any) -> None:
    """Write everything to the disk now, so that a stop has little left to do."""
    await connection.execute(CHECKPOINT)


PROMOTE = """
    SELECT pg_promote(false)
"""


async def update_to_primary(connection: Any) -> None:
    """Let the server end its recovery and write; it has done so when `get_in_recovery` is false."""
    await connection.execute(PROMOTE)


GET_IN_RECOVERY = """
    SELECT pg_is_in_recovery()
"""


async def get_in_recovery(connection: Any) -> bool:
    """Whether the server follows another."""
    return bool(await connection.fetchval(GET_IN_RECOVERY))


GET_REPLAYED = """
    SELECT pg_last_wal_replay_lsn()::text
"""


async def get_replayed(connection: Any) -> str:
    """Up to where a following server has replayed; its end is the beginning of what comes next."""
    return str(await connection.fetchval(GET_REPLAYED) or "0/0")


HAS_SEGMENT = """
    SELECT EXISTS (SELECT FROM pg_ls_waldir() WHERE name = $1 OR name = $1 || '.partial')
"""


async def has_segment(connection: Any, name: str) -> bool:
    """Whether the server has this file of the write-ahead log."""
    return bool(await connection.fetchval(HAS_SEGMENT, name))


SET_LOCAL_COMMIT = """
    SET LOCAL synchronous_commit = local
"""
SET_EPOCH = """
    UPDATE parley_meta SET epoch = $1 WHERE epoch < $1
"""
GET_EPOCH = """
    SELECT epoch FROM parley_meta
"""


async def update_epoch(connection: Any, epoch: int) -> int:
    """Write the epoch, only ever a higher one, without waiting for any follower; returns the one that holds now."""
    async with connection.transaction():
        await connection.execute(SET_LOCAL_COMMIT)
        await connection.execute(SET_EPOCH, epoch)
        return int(await connection.fetchval(GET_EPOCH))


INSERT_RECORD_ONCE = """
    INSERT INTO hosting_records (kind, ok, seconds, detail)
    SELECT $1, $2, $3, $4
    WHERE NOT EXISTS (SELECT FROM hosting_records WHERE kind = $1 AND ok = $2 AND detail = $4)
"""


async def insert_record_once(connection: Any, kind: str, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
    """Note what came of something, without waiting for any follower; exactly the same stands there once."""
    async with connection.transaction():
        await connection.execute(SET_LOCAL_COMMIT)
        await connection.execute(INSERT_RECORD_ONCE, kind, ok, seconds, detail)
