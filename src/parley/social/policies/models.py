"""Which text model judges: the one that ships, or another that was kept here and promoted.

A kept model lies whole in the database, and is written to the data folder of every machine that needs it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from parley.kit.db import Database, Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.live import Message, publish
from parley.kit.settings import Settings
from parley.screening import Ruleset, text_model
from parley.screening.text_model import CARD, ModelUnavailable
from parley.screening.text_signals import HEADS
from parley.social.events.actions import record
from parley.social.events.facts import ModelPromoted
from parley.social.policies import store_models
from parley.social.policies.views import Staff

log = logging.getLogger(__name__)

MOST_BYTES = 500_000_000
_live = ""
"""The model of this process: the SHA-256 of its text.json, empty for the one that ships."""
_folder = ""


def with_model(ruleset: Ruleset, model_sha256: str | None = None) -> Ruleset:
    """The ruleset under the hash that it has with a model, this process's own by default."""
    model = _live if model_sha256 is None else model_sha256
    if not model:
        return ruleset
    return replace(ruleset, sha256=hashlib.sha256(f"{ruleset.sha256} model {model}".encode()).hexdigest())


def use_kept_model(folder: Path) -> str:
    """Make the model in a folder the one of this process; returns its hash. Raises ModelUnavailable."""
    global _live, _folder
    model = text_model.load_model(folder)
    text_model.use_model(model)
    _folder = str(folder.resolve())
    _live = hashlib.sha256((folder / CARD).read_bytes()).hexdigest()
    return _live


def live_model_folder() -> str:
    """Where this process's model lies; empty for the one that ships."""
    return _folder


async def use_live_model(db: Database, settings: Settings) -> None:
    """Make the model that was promoted the one of this process. One that cannot be loaded is no reason to stop."""
    global _live, _folder
    async with db.read() as tx:
        sha256 = await store_models.get_live_model(tx)
    if sha256 == _live:
        return
    if not sha256:
        text_model.use_model(None)
        _live = _folder = ""
        return
    try:
        await asyncio.to_thread(use_kept_model, await get_model_folder(db, settings, sha256))
    except (ModelUnavailable, NotFound, OSError) as error:
        log.error("the text model %s cannot be used (%s); the one before goes on", sha256[:12], error)


async def get_model_folder(db: Database, settings: Settings, sha256: str) -> Path:
    """Where a kept model lies on this machine; it is written there if it is missing. Raises NotFound."""
    folder = settings.path("models", sha256)
    if await asyncio.to_thread((folder / CARD).is_file):
        return folder
    async with db.read() as tx:
        files = await store_models.list_model_files(tx, sha256)
    if not files:
        raise NotFound("This model is not kept here.")
    await asyncio.to_thread(_write_model, folder, files)
    return folder


def _write_model(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The card last: a folder without it is not complete.
    for name in sorted(files, key=lambda name: name == CARD):
        temporary = folder / f"{name}.unfinished"
        temporary.write_bytes(files[name])
        temporary.replace(folder / name)


async def keep_model(tx: Tx, folder: Path) -> tuple[str, str]:
    """Keep the model in a folder; returns its hash and its version. Raises Invalid when it cannot be used here."""
    try:
        model = await asyncio.to_thread(text_model.load_model, folder)
        await asyncio.to_thread(model.score, ["Good morning, all of you!"])
    except ModelUnavailable as error:
        raise Invalid(str(error)) from error
    missing = HEADS.keys() - set(model.card.heads)
    if missing:
        raise Invalid(f"This model lacks the heads {', '.join(sorted(missing))}, which rules ask for.")
    names = [CARD, *model.card.sha256]
    files = {name: await asyncio.to_thread((folder / name).read_bytes) for name in names}
    if sum(map(len, files.values())) > MOST_BYTES:
        raise Invalid("This model is larger than 500 MB: it would be too slow to judge while people wait.")
    sha256 = hashlib.sha256(files[CARD]).hexdigest()
    await store_models.insert_model(tx, sha256, model.card.version, files)
    return sha256, model.card.version


async def promote_model(tx: Tx, staff: Staff, sha256: str, *, candidate_id: int | None, note: str = "") -> str:
    """Let a kept model, or with an empty hash the shipped one, judge in every process; returns the one before.

    The caller has checked that it was compared. Raises Forbidden and Conflict.
    """
    if not staff.is_admin:
        raise Forbidden("Only admins and owners change the model.")
    previous = await store_models.get_live_model(tx)
    if previous == sha256:
        raise Conflict("This model is live already.")
    await store_models.insert_promotion(tx, sha256, previous, candidate_id, staff.account_id, note)
    await record(
        tx, ModelPromoted(account_id=staff.account_id, sha256=sha256, previous=previous, candidate_id=candidate_id)
    )
    await publish(tx, Message("ruleset", text="model"))
    return previous


async def roll_back_model(tx: Tx, staff: Staff, *, note: str = "") -> str:
    """Let the model before the last promotion judge again; returns its hash. Raises Forbidden and Conflict."""
    last = await store_models.get_last_promotion(tx)
    if last is None:
        raise Conflict("The model that ships is live; there is none before it.")
    await promote_model(tx, staff, last[1], candidate_id=None, note=note or "rolled back")
    return last[1]
