"""The tables of policy versions, of who let them go live, and of rulesets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx

LOCK_KEY = 0x706F6C696379
LOCK = """SELECT pg_advisory_xact_lock($1)"""


async def get_lock(tx: Tx) -> None:
    """Wait until no other transaction changes what is live; held until `tx` ends."""
    await tx.execute(LOCK, LOCK_KEY)


class LiveRow(msgspec.Struct, frozen=True):
    """What is live: None and False before the first activation."""

    policy_sha256: str | None
    pinned: bool
    ruleset: str | None
    bank_revision: int


GET_LIVE = """
    SELECT newest.sha256, coalesce(newest.pinned, false), newest.ruleset,
           (SELECT coalesce(max(id), 0) FROM bank_changes)
    FROM (SELECT) AS one
    LEFT JOIN (SELECT sha256, pinned, ruleset FROM policy_activations ORDER BY id DESC LIMIT 1) AS newest ON true
"""


async def get_live(tx: Tx) -> LiveRow:
    """The newest activation and the banks' revision."""
    return LiveRow(*await tx.fetchrow(GET_LIVE))


INSERT_VERSION = """
    INSERT INTO policy_versions (sha256, name, version, source, proposed_by, proposed_name, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
    RETURNING sha256
"""
INSERT_FILE = """INSERT INTO policy_files (sha256, name, content) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""


async def insert_version(
    tx: Tx,
    sha256: str,
    files: dict[str, bytes],
    *,
    name: str,
    version: str,
    source: str,
    by: tuple[int | None, str],
    note: str,
) -> bool:
    """Keep a version whole; False when it was kept already."""
    new = await tx.fetchval(INSERT_VERSION, sha256, name, version, source, *by, note)
    if new is not None:
        await tx.executemany(INSERT_FILE, [(sha256, file, content) for file, content in files.items()])
    return new is not None


LIST_FILES = """SELECT name, content FROM policy_files WHERE sha256 = $1"""


async def list_files(tx: Tx, sha256: str) -> dict[str, bytes]:
    """The files of a version; empty when there is none."""
    return {name: bytes(content) for name, content in await tx.fetch(LIST_FILES, sha256)}


class VersionRow(msgspec.Struct, frozen=True):
    """One version."""

    sha256: str
    name: str
    version: str
    source: str
    proposed_by: int | None
    proposed_name: str
    note: str
    created_at: datetime
    approved_by: list[str]
    backtests: int
    activated_at: datetime | None


LIST_VERSIONS = """
    SELECT v.sha256, v.name, v.version, v.source, v.proposed_by, v.proposed_name, v.note, v.created_at,
           ARRAY(SELECT a.username FROM policy_approvals a WHERE a.sha256 = v.sha256 ORDER BY a.created_at),
           (SELECT count(*)::int FROM policy_backtests b WHERE b.sha256 = v.sha256),
           (SELECT max(c.created_at) FROM policy_activations c WHERE c.sha256 = v.sha256)
    FROM policy_versions v
    WHERE v.sha256 LIKE $1 || '%'
    ORDER BY v.created_at DESC, v.sha256 LIMIT $2
"""


async def list_versions(tx: Tx, prefix: str = "", *, limit: int = 100) -> list[VersionRow]:
    """Versions whose hash begins so, newest first. `prefix` must be hexadecimal digits."""
    return [VersionRow(*row) for row in await tx.fetch(LIST_VERSIONS, prefix, limit)]


INSERT_APPROVAL = """
    INSERT INTO policy_approvals (sha256, account_id, username, note) VALUES ($1, $2, $3, $4)
    ON CONFLICT (sha256, account_id) DO UPDATE SET note = EXCLUDED.note
"""


async def insert_approval(tx: Tx, sha256: str, by: tuple[int, str], note: str) -> None:
    """Note that somebody approved a version."""
    await tx.execute(INSERT_APPROVAL, sha256, *by, note)


LIST_APPROVERS = """SELECT account_id, username FROM policy_approvals WHERE sha256 = $1 ORDER BY created_at"""


async def list_approvers(tx: Tx, sha256: str) -> list[tuple[int, str]]:
    """Who approved a version: account and name."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_APPROVERS, sha256)]


INSERT_BACKTEST = """
    INSERT INTO policy_backtests (sha256, backtest_id, against, judged, stopped, detail) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert_backtest(
    tx: Tx, sha256: str, backtest_id: int, against: str, counts: tuple[int, int], detail: dict[str, Any]
) -> None:
    """Keep what a version would have done; `counts` are judged and stopped."""
    await tx.execute(INSERT_BACKTEST, sha256, backtest_id, against, *counts, detail)


class BacktestRow(msgspec.Struct, frozen=True):
    """One backtest of a version."""

    backtest_id: int
    against: str
    judged: int
    stopped: int
    released: int
    """Let through that was stopped."""


GET_BACKTEST = """
    SELECT backtest_id, against, judged, stopped, coalesce((detail ->> 'released')::bigint, 0)
    FROM policy_backtests WHERE sha256 = $1 ORDER BY id DESC LIMIT 1
"""


async def get_backtest(tx: Tx, sha256: str) -> BacktestRow | None:
    """The newest backtest of a version."""
    row = await tx.fetchrow(GET_BACKTEST, sha256)
    return BacktestRow(*row) if row else None


INSERT_ACTIVATION = """
    INSERT INTO policy_activations
        (sha256, ruleset, pinned, activated_by, activated_name, backtest_id, needs_second, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def insert_activation(
    tx: Tx,
    sha256: str,
    ruleset: str,
    *,
    pinned: bool,
    by: tuple[int | None, str],
    backtest_id: int | None,
    needs_second: bool,
    note: str,
) -> None:
    """Make a version live from now on."""
    await tx.execute(INSERT_ACTIVATION, sha256, ruleset, pinned, *by, backtest_id, needs_second, note)


INSERT_RULESET = """
    INSERT INTO rulesets (sha256, policy_sha256, bank_revision) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING sha256
"""


async def insert_ruleset(tx: Tx, sha256: str, policy_sha256: str, bank_revision: int) -> bool:
    """Note what a ruleset is made of; False when it was known."""
    return await tx.fetchval(INSERT_RULESET, sha256, policy_sha256, bank_revision) is not None


GET_RULESET = """SELECT policy_sha256, bank_revision FROM rulesets WHERE sha256 = $1"""


async def get_ruleset(tx: Tx, sha256: str) -> tuple[str, int] | None:
    """The version and the banks' revision of which a ruleset was made."""
    row = await tx.fetchrow(GET_RULESET, sha256)
    return (row[0], row[1]) if row else None


class ActivationRow(msgspec.Struct, frozen=True):
    """One activation, for the record."""

    sha256: str
    ruleset: str
    pinned: bool
    activated_name: str
    backtest_id: int | None
    needs_second: bool
    note: str
    created_at: datetime


LIST_ACTIVATIONS = """
    SELECT sha256, ruleset, pinned, activated_name, backtest_id, needs_second, note, created_at
    FROM policy_activations ORDER BY id DESC LIMIT $1
"""


async def list_activations(tx: Tx, limit: int) -> list[ActivationRow]:
    """What was live since when, newest first."""
    return [ActivationRow(*row) for row in await tx.fetch(LIST_ACTIVATIONS, limit)]
