"""The tables of text models other than the one that ships, and of which one judges."""

from __future__ import annotations

from parley.kit.db import Tx

GET_LIVE_MODEL = """SELECT sha256 FROM text_model_promotions ORDER BY id DESC LIMIT 1"""


async def get_live_model(tx: Tx) -> str:
    """The model that judges; empty for the one that ships."""
    return await tx.fetchval(GET_LIVE_MODEL) or ""


LIST_MODEL_FILES = """SELECT name, content FROM text_model_files WHERE sha256 = $1"""


async def list_model_files(tx: Tx, sha256: str) -> dict[str, bytes]:
    """The files of a model; empty when it is not kept here."""
    return {name: bytes(content) for name, content in await tx.fetch(LIST_MODEL_FILES, sha256)}


INSERT_MODEL = """
    INSERT INTO text_models (sha256, version) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING sha256
"""
INSERT_MODEL_FILE = """INSERT INTO text_model_files (sha256, name, content) VALUES ($1, $2, $3)"""


async def insert_model(tx: Tx, sha256: str, version: str, files: dict[str, bytes]) -> None:
    """Keep a model whole; once."""
    if await tx.fetchval(INSERT_MODEL, sha256, version) is not None:
        for name, content in files.items():
            await tx.execute(INSERT_MODEL_FILE, sha256, name, content)


INSERT_PROMOTION = """
    INSERT INTO text_model_promotions (sha256, previous, candidate_id, promoted_by, note) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_promotion(
    tx: Tx, sha256: str, previous: str, candidate_id: int | None, promoted_by: int, note: str
) -> None:
    """Let a model judge from now on; empty for the one that ships."""
    await tx.execute(INSERT_PROMOTION, sha256, previous, candidate_id, promoted_by, note)


GET_LAST_PROMOTION = """SELECT sha256, previous FROM text_model_promotions ORDER BY id DESC LIMIT 1"""


async def get_last_promotion(tx: Tx) -> tuple[str, str] | None:
    """The model that judges and the one before; None when only the shipped one ever did."""
    row = await tx.fetchrow(GET_LAST_PROMOTION)
    return (row[0], row[1]) if row else None
