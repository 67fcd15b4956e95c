"""Invariant 5 as a helper: the chain holds, and the log makes exactly the rows that are there."""

from __future__ import annotations

from parley.kit.db import Database
from parley.safety.log.verifying import verify_log, verify_within
from parley.safety.log.views import AuditReport


async def audit_of(source: object) -> AuditReport:
    """What a check of the log finds. `source` is a Database, the address of one, a World, or a transaction."""
    found = getattr(getattr(source, "instance", source), "db", source)
    if isinstance(found, str):
        db = Database(found, connections=2)
        await db.open()
        try:
            return await verify_log(db)
        finally:
            await db.close()
    if isinstance(found, Database):
        return await verify_log(found)
    return await verify_within(found)  # type: ignore[arg-type]


async def assert_audit_holds(source: object) -> AuditReport:
    """Fail with the first wrong entry or row, if anything is wrong with the log."""
    report = await audit_of(source)
    assert report.holds, "\n".join(str(problem) for problem in report.problems)
    return report
