"""The tables of compliance addresses and of published reports. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from parley.kit.db import Tx


class TokenRow(msgspec.Struct, frozen=True):
    """An address of a compliance page that is live, or was."""

    id: int
    provider_id: int
    created_at: datetime
    revoked_at: datetime | None


INSERT_ADDRESS = """
    INSERT INTO compliance_tokens (provider_id) VALUES ($1) RETURNING id, provider_id, created_at, revoked_at
"""


async def insert_token(tx: Tx, provider_id: int) -> TokenRow:
    """A new address for a provider, which has none that is live."""
    return TokenRow(*await tx.fetchrow(INSERT_ADDRESS, provider_id))


GET_ADDRESS = """
    SELECT id, provider_id, created_at, revoked_at FROM compliance_tokens WHERE id = $1
"""


async def get_token(tx: Tx, token_id: int) -> TokenRow | None:
    """An address by its id, live or not."""
    row = await tx.fetchrow(GET_ADDRESS, token_id)
    return TokenRow(*row) if row else None


LIST_LIVE_ADDRESSES = """
    SELECT id, provider_id, created_at, revoked_at FROM compliance_tokens WHERE revoked_at IS NULL ORDER BY id
"""


async def list_live_tokens(tx: Tx) -> list[TokenRow]:
    """Every address that is live."""
    return [TokenRow(*row) for row in await tx.fetch(LIST_LIVE_ADDRESSES)]


GET_LIVE_ADDRESS = """
    SELECT id, provider_id, created_at, revoked_at FROM compliance_tokens WHERE provider_id = $1 AND revoked_at IS NULL
"""


async def get_live_token(tx: Tx, provider_id: int) -> TokenRow | None:
    """The address of a provider that is live."""
    row = await tx.fetchrow(GET_LIVE_ADDRESS, provider_id)
    return TokenRow(*row) if row else None


UPDATE_REVOKED = """
    UPDATE compliance_tokens SET revoked_at = $2 WHERE provider_id = $1 AND revoked_at IS NULL RETURNING id
"""


async def update_revoked(tx: Tx, provider_id: int, moment: datetime) -> bool:
    """End the address of a provider; whether there was one."""
    return await tx.fetchval(UPDATE_REVOKED, provider_id, moment) is not None


UPDATE_COUNTRY = """
    UPDATE providers SET country = $2 WHERE id = $1 RETURNING id
"""


async def update_country(tx: Tx, provider_id: int, country: str) -> bool:
    """Note whose authority a provider is; whether there is such a provider."""
    return await tx.fetchval(UPDATE_COUNTRY, provider_id, country) is not None


class ReportRow(msgspec.Struct, frozen=True):
    """A published report."""

    id: int
    from_day: date
    until_day: date
    contents: str
    sha256: bytes
    signature: bytes
    key_fingerprint: str
    corrects_id: int | None
    corrected_by_id: int | None
    published_at: datetime


INSERT_REPORT = """
    INSERT INTO transparency_reports (from_day, until_day, contents, sha256, signature, key_fingerprint, corrects_id,
        published_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id
"""


async def insert_report(
    tx: Tx,
    days: tuple[date, date],
    contents: str,
    sha256: bytes,
    signed: tuple[bytes, str],
    *,
    corrects_id: int | None,
    published_by: int | None,
) -> int:
    """Keep a report for good; `signed` is the signature and the fingerprint of its key."""
    values = (*days, contents, sha256, *signed, corrects_id, published_by)
    return int(await tx.fetchval(INSERT_REPORT, *values))


GET_REPORT = """
    SELECT r.id, r.from_day, r.until_day, r.contents, r.sha256, r.signature, r.key_fingerprint, r.corrects_id,
           (SELECT max(c.id) FROM transparency_reports c WHERE c.corrects_id = r.id), r.published_at
    FROM transparency_reports r WHERE r.id = $1
"""


async def get_report(tx: Tx, report_id: int) -> ReportRow | None:
    """A published report."""
    row = await tx.fetchrow(GET_REPORT, report_id)
    return ReportRow(*row) if row else None


LIST_REPORTS = """
    SELECT r.id, r.from_day, r.until_day, '' AS contents, r.sha256, r.signature, r.key_fingerprint, r.corrects_id,
           (SELECT max(c.id) FROM transparency_reports c WHERE c.corrects_id = r.id), r.published_at
    FROM transparency_reports r ORDER BY r.until_day DESC, r.id DESC LIMIT $1
"""


async def list_reports(tx: Tx, limit: int) -> list[ReportRow]:
    """Published reports without their contents, the newest period first."""
    return [ReportRow(*row) for row in await tx.fetch(LIST_REPORTS, limit)]


GET_NEWEST_REPORT = """
    SELECT id FROM transparency_reports WHERE from_day = $1 AND until_day = $2 ORDER BY id DESC LIMIT 1
"""


async def get_newest_report(tx: Tx, from_day: date, until_day: date) -> int | None:
    """The report about exactly these days that was published last."""
    found = await tx.fetchval(GET_NEWEST_REPORT, from_day, until_day)
    return int(found) if found is not None else None
