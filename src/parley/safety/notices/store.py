"""The table of providers, and what is forgotten after a day: idempotency tokens and used challenges. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class ProviderRow(msgspec.Struct, frozen=True):
    """A provider as it is stored."""

    id: int
    name: str
    kind: str
    contact_mail: str
    format: str
    trusted: bool
    addresses: list[str]
    domains: list[str]
    address_suffices: bool
    public_key: str
    webhook_url: str
    has_token: bool
    token_made_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None


LIST_PROVIDERS = """
    SELECT id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices, public_key, webhook_url,
           token_hash IS NOT NULL, token_made_at, created_at, revoked_at
    FROM providers ORDER BY revoked_at IS NOT NULL, lower(name), id
"""


async def list_providers(tx: Tx) -> list[ProviderRow]:
    """All providers, those that were struck off last."""
    return [ProviderRow(*row) for row in await tx.fetch(LIST_PROVIDERS)]


LIST_PROVIDERS_BY_ID = """
    SELECT id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices, public_key, webhook_url,
           token_hash IS NOT NULL, token_made_at, created_at, revoked_at
    FROM providers WHERE id = ANY($1::bigint[])
"""


async def list_providers_by_id(tx: Tx, ids: Sequence[int]) -> dict[int, ProviderRow]:
    """Providers by id, also those that were struck off."""
    return {row[0]: ProviderRow(*row) for row in await tx.fetch(LIST_PROVIDERS_BY_ID, ids)}


GET_PROVIDER_BY_HASH = """
    SELECT id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices, public_key, webhook_url,
           true, token_made_at, created_at, revoked_at
    FROM providers WHERE token_hash = $1 AND revoked_at IS NULL
"""


async def get_provider_by_token(tx: Tx, token_hash: bytes) -> ProviderRow | None:
    """Whose API token it is."""
    row = await tx.fetchrow(GET_PROVIDER_BY_HASH, token_hash)
    return ProviderRow(*row) if row else None


GET_PROVIDER_BY_SENDER = """
    SELECT id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices, public_key, webhook_url,
           token_hash IS NOT NULL, token_made_at, created_at, revoked_at
    FROM providers
    WHERE revoked_at IS NULL AND ($1 = ANY(addresses) OR domains && $2::text[])
    ORDER BY ($1 = ANY(addresses)) DESC, id LIMIT 1
"""


async def get_provider_by_sender(tx: Tx, address: str, domains: Sequence[str]) -> ProviderRow | None:
    """Whose mail address it is: by the address itself, else by one of its domains (`mail.host.example`,
    `host.example`). All lower case."""
    row = await tx.fetchrow(GET_PROVIDER_BY_SENDER, address, domains)
    return ProviderRow(*row) if row else None


LOCK_PROVIDER = """
    SELECT id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices, public_key, webhook_url,
           token_hash IS NOT NULL, token_made_at, created_at, revoked_at
    FROM providers WHERE (id = $1 OR lower(name) = lower($2)) AND revoked_at IS NULL FOR UPDATE
"""


async def lock_provider(tx: Tx, provider_id: int, name: str) -> ProviderRow | None:
    """A provider by id or by name, locked, unless it was struck off."""
    row = await tx.fetchrow(LOCK_PROVIDER, provider_id, name)
    return ProviderRow(*row) if row else None


INSERT_PROVIDER = """
    INSERT INTO providers (id, name, kind, contact_mail, format, trusted, addresses, domains, address_suffices,
        public_key, webhook_url, token_hash, token_made_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""


async def insert_provider(
    tx: Tx,
    provider_id: int,
    who: tuple[str, str, str, str, bool],
    sender: tuple[Sequence[str], Sequence[str], bool],
    keys: tuple[str, str],
    token: tuple[bytes, datetime],
) -> None:
    """Store a provider: `who` is name, kind, contact, format, trusted; `sender` addresses, domains, whether they
    suffice; `keys` public key and webhook; `token` its hash and when it was made."""
    await tx.execute(INSERT_PROVIDER, provider_id, *who, *sender, *keys, *token)


UPDATE_HASH = """UPDATE providers SET token_hash = $2, token_made_at = $3 WHERE id = $1"""


async def update_token(tx: Tx, provider_id: int, token_hash: bytes, moment: datetime) -> None:
    """Give a provider another token; the old one is worthless."""
    await tx.execute(UPDATE_HASH, provider_id, token_hash, moment)


UPDATE_REVOKED = """UPDATE providers SET revoked_at = $2, token_hash = NULL WHERE id = $1"""


async def update_revoked(tx: Tx, provider_id: int, moment: datetime) -> None:
    """Strike a provider off: neither its token nor its mails are known any more."""
    await tx.execute(UPDATE_REVOKED, provider_id, moment)


# ---- Forgotten after a day ------------------------------------------------------------------------------------------


class TokenRow(msgspec.Struct, frozen=True):
    """What an idempotency token was used for."""

    body_sha256: bytes
    notice_id: int


LOCK_USE = """SELECT pg_advisory_xact_lock(hashtextextended($2, $1))"""
GET_USE = """
    SELECT body_sha256, notice_id FROM notice_tokens WHERE provider_id = $1 AND token = $2 AND created_at > $3
"""


async def lock_token(tx: Tx, provider_id: int, token: str, since: datetime) -> TokenRow | None:
    """What the provider used this token for since a moment; nobody else can use it until `tx` ends."""
    await tx.execute(LOCK_USE, provider_id, token)
    row = await tx.fetchrow(GET_USE, provider_id, token, since)
    return TokenRow(*row) if row else None


UPSERT_USE = """
    INSERT INTO notice_tokens (provider_id, token, body_sha256, notice_id, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (provider_id, token) DO UPDATE SET body_sha256 = $3, notice_id = $4, created_at = $5
"""


async def upsert_token(
    tx: Tx, provider_id: int, token: str, body_sha256: bytes, notice_id: int, moment: datetime
) -> None:
    """Remember what a token was used for."""
    await tx.execute(UPSERT_USE, provider_id, token, body_sha256, notice_id, moment)


INSERT_CHALLENGE = """
    INSERT INTO used_challenges (challenge, used_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true
"""


async def insert_challenge(tx: Tx, challenge: str, moment: datetime) -> bool:
    """Note that a proof of work was used; False when it had been used already."""
    return bool(await tx.fetchval(INSERT_CHALLENGE, challenge, moment))


DELETE_OLD = """
    WITH tokens AS (DELETE FROM notice_tokens WHERE created_at < $1)
    DELETE FROM used_challenges WHERE used_at < $1
"""


async def delete_old(tx: Tx, before: datetime) -> None:
    """Forget tokens and challenges."""
    await tx.execute(DELETE_OLD, before)
