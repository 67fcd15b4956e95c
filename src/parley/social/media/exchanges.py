"""Programmes that share hashes: setting one up, fetching what is new into its bank, and telling it of false positives.

Fetching goes on where it stopped, each step in one transaction with its checkpoint. No call is made inside a
transaction. What a programme needs to let us in is sealed with the instance's key; it is never logged or shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.gate import GateClosed
from parley.kit.instance import Instance
from parley.kit.secrets import CannotUnseal, seal, unseal
from parley.kit.settings import Settings
from parley.social.events.actions import record
from parley.social.events.facts import ExchangeApproved
from parley.social.media import store_exchanges, store_hashes
from parley.social.media.exchange_clients import APIS, Client, Delta, Unsupported
from parley.social.media.hash_banks import add_hashes, get_bank
from parley.social.media.store_exchanges import ExchangeRow
from parley.social.media.store_hashes import NewHash
from parley.social.policies.drafts import most_alone
from parley.social.policies.views import Staff

log = logging.getLogger(__name__)

LONGEST_FETCH = 20 * 60
"""Seconds that one run fetches from one programme; the next run goes on."""
OPINIONS_AT_ONCE = 50
MOST_ATTEMPTS = 10
_PURPOSE = "hash exchange"


async def list_exchanges(tx: Tx) -> list[ExchangeRow]:
    """All programmes that are set up; their credentials stay sealed."""
    return await store_exchanges.list_exchanges(tx)


async def set_exchange(
    tx: Tx,
    settings: Settings,
    staff: Staff | None,
    name: str,
    *,
    api: str,
    bank: str,
    config: Mapping[str, Any],
    credentials: Mapping[str, str] | None,
    enabled: bool = True,
) -> None:
    """Set a programme up, or change it; its hashes go into `bank`. Raises Invalid, NotFound.

    Without `credentials` those that are known stay. `staff` None is an operator's shell. Until two people stand behind
    it (`approve_exchange`) it brings in no more than one person may; a change that is more than switching it on or off
    asks for them anew.
    """
    if api not in APIS:
        raise Invalid(f"{api!r} is not a programme that Parley knows. Known are {', '.join(APIS)}.")
    await get_bank(tx, bank)
    earlier = next(iter(await store_exchanges.list_exchanges(tx, name)), None)
    if earlier is not None and (earlier.api, earlier.bank) != (api, bank):
        raise Invalid("A programme keeps its API and its bank: remove it, and set it up under another name.")
    given = credentials if credentials is not None else _credentials(settings, earlier)
    Client(api, config, given)
    sealed = seal(settings, msgspec.json.encode(dict(credentials)), purpose=_PURPOSE) if credentials else None
    by = staff.account_id if staff else None
    same = earlier is not None and earlier.config == dict(config) and sealed is None
    if earlier is not None and same:
        by = earlier.set_by
    exchange_id = await store_exchanges.upsert_exchange(
        tx, name, api, bank, dict(config), sealed, enabled=enabled, set_by=by
    )
    if not same:
        await store_exchanges.delete_approvals(tx, exchange_id)


def stands(row: ExchangeRow) -> bool:
    """Whether two people stand behind a programme."""
    return len({*row.approved_by, row.set_by} - {None}) >= 2


async def approve_exchange(tx: Tx, staff: Staff, name: str) -> bool:
    """Stand behind a programme, so that it may bring in all that it has; whether two people do now.

    Raises Forbidden, also for who set it up, and NotFound.
    """
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners approve an exchange.")
    row = await _get(tx, name)
    if row.set_by == staff.account_id:
        raise Forbidden("You set this exchange up. Somebody else has to approve it.")
    await store_exchanges.insert_approval(tx, row.id, staff.account_id, staff.username)
    enough = stands(await _get(tx, name))
    await record(tx, ExchangeApproved(account_id=staff.account_id, exchange=name, enough=enough))
    return enough


async def remove_exchange(tx: Tx, name: str) -> None:
    """Forget a programme with its credentials; its bank stays. Raises NotFound."""
    await store_exchanges.delete_exchange(tx, (await _get(tx, name)).id)


async def _get(tx: Tx, name: str) -> ExchangeRow:
    rows = await store_exchanges.list_exchanges(tx, name)
    if not rows:
        raise NotFound(f"There is no exchange {name!r}.")
    return rows[0]


def _credentials(settings: Settings, row: ExchangeRow | None) -> dict[str, str]:
    if row is None or row.credentials is None:
        return {}
    try:
        opened: dict[str, str] = msgspec.json.decode(unseal(settings, row.credentials, purpose=_PURPOSE))
    except CannotUnseal as error:
        raise Invalid(f"The credentials of {row.name} were sealed with another key: set them again.") from error
    return opened


class Fetched(msgspec.Struct):
    """What a run brought: steps, new hashes, withdrawn keys; `done` when nothing more is to be had now."""

    steps: int = 0
    added: int = 0
    withdrawn: int = 0
    done: bool = False


async def fetch_exchange(instance: Instance, name: str, *, seconds: float = LONGEST_FETCH) -> Fetched:
    """Fetch what is new from a programme into its bank, for at most `seconds`. Raises Invalid when that fails."""
    async with instance.db.read() as tx:
        row = await _get(tx, name)
    fetched = Fetched()
    deadline = time.monotonic() + seconds
    try:
        client = Client(row.api, row.config, _credentials(instance.settings, row))
        checkpoint = client.restore(row.checkpoint)
        seen: set[str] | None = set() if checkpoint is None else None
        steps = client.fetch(checkpoint)
        while time.monotonic() < deadline:
            instance.gate.check()
            delta = await asyncio.to_thread(_next, steps)
            if delta is None:
                fetched.done = True
                break
            await _store(instance, row, delta, fetched)
            if seen is not None:
                seen.update(key for key, shared in delta.updates.items() if shared)
    except GateClosed:
        raise
    except Exception as error:
        sentence = _describe(error)
        async with instance.db.write() as tx:
            await store_exchanges.update_error(tx, row.id, sentence)
        raise Invalid(f"Fetching from {name} failed: {sentence}") from error
    if fetched.done and seen is not None:
        await _forget_others(instance, row, seen, fetched)
    return fetched


def _next(steps: Iterator[Delta]) -> Delta | None:
    return next(steps, None)


async def _store(instance: Instance, row: ExchangeRow, delta: Delta, fetched: Fetched) -> None:
    """Put one step into the bank, with where to go on from."""
    async with instance.db.write() as tx:
        await store_hashes.update_generation(tx)
        bank = await get_bank(tx, row.bank)
        keys = list(delta.updates)
        kept = await store_hashes.list_disputed_keys(tx, bank.id, keys)
        known = await store_hashes.list_same_keys(tx, bank.id, keys)
        changed = {key: shared for key, shared in delta.updates.items() if key not in kept}
        new: list[NewHash] = []
        gone: list[str] = []
        for key, shared in changed.items():
            rows = [_new(row.name, key, one) for one in shared]
            if known.get(key) == sorted((one.kind, one.hash, one.state) for one in rows):
                continue  # Programmes that send everything each time must not make everything new each time.
            if key in known:
                gone.append(key)
            new += rows
            fetched.withdrawn += bool(not rows and key in known)
        await store_hashes.delete_keys(tx, bank.id, gone)
        if new:
            await _check_second(tx, instance.settings, row, bank.id, len(new))
            fetched.added += len(await add_hashes(tx, bank, new))
        await store_exchanges.update_checkpoint(tx, row.id, delta.checkpoint)
    fetched.steps += 1


async def _check_second(tx: Tx, settings: Settings, row: ExchangeRow, bank_id: int, new: int) -> None:
    """Raise Invalid when a programme that one person stands behind would bring in more than one person may.

    Nothing is lost: where to go on from is not moved.
    """
    if not settings.four_eyes or stands((await store_exchanges.list_exchanges(tx, row.name) or [row])[0]):
        return
    most = most_alone()
    if await store_hashes.count_of_source(tx, bank_id, f"exchange {row.name}") + new > most:
        raise Invalid(
            f"it would bring in more than {most:,} hashes, for which two people must stand behind it: "
            f"`parley bank exchanges approve {row.name} --as NAME`. Nothing is lost meanwhile."
        )


def _new(source: str, key: str, shared: Any) -> NewHash:
    return NewHash(
        kind=shared.kind,
        hash=shared.hash,
        tags=shared.tags,
        state="BACKGROUND" if shared.disputed else "LIVE",
        source=f"exchange {source}",
        external_key=key,
        external=shared.external,
    )


async def _forget_others(instance: Instance, row: ExchangeRow, seen: set[str], fetched: Fetched) -> None:
    """After everything was fetched from the beginning: what did not come any more was withdrawn."""
    async with instance.db.write() as tx:
        await store_hashes.update_generation(tx)
        bank = await get_bank(tx, row.bank)
        source = f"exchange {row.name}"
        others = [key for key in await store_hashes.list_keys_of(tx, bank.id, source) if key not in seen]
        await store_hashes.delete_keys(tx, bank.id, others)
    fetched.withdrawn += len(others)


def _describe(error: Exception) -> str:
    """What went wrong, without addresses: some programmes want their key in them."""
    if isinstance(error, Invalid):
        return error.text
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return f"{type(error).__name__}{f', HTTP status {status}' if status else ''}"


async def fetch_hash_exchanges(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: fetch from every programme that is on, and tell them of false positives. None stops the others."""
    async with instance.db.read() as tx:
        rows = await store_exchanges.list_exchanges(tx)
    for row in rows:
        if row.enabled:
            try:
                fetched = await fetch_exchange(instance, row.name)
                log.info("exchange %s: %s new hashes, %s withdrawn", row.name, fetched.added, fetched.withdrawn)
            except Invalid as error:
                log.warning("%s", error.text)
    await send_hash_opinions(instance, payload)


async def send_hash_opinions(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: tell programmes which of their hashes were false positives here."""
    async with instance.db.read() as tx:
        rows = await store_exchanges.list_exchanges(tx)
        waiting = {row.id: await store_exchanges.list_opinions(tx, row.id, OPINIONS_AT_ONCE) for row in rows}
    for row in rows:
        if not row.enabled or not waiting[row.id]:
            continue
        try:
            client = Client(row.api, row.config, _credentials(instance.settings, row))
        except Invalid as error:
            log.warning("exchange %s cannot be told of false positives: %s", row.name, error.text)
            continue
        for opinion in waiting[row.id]:
            state, why = "sent", ""
            instance.gate.check()
            try:
                await asyncio.to_thread(
                    client.report_false_positive, opinion.kind, opinion.hash, opinion.external or {}
                )
            except Unsupported as error:
                state, why = "unsupported", str(error)
            except Exception as error:
                state, why = "failed" if opinion.attempts + 1 >= MOST_ATTEMPTS else "waiting", _describe(error)
                log.warning("exchange %s did not take a false positive: %s", row.name, why)
            async with instance.db.write() as tx:
                await store_exchanges.update_opinions(tx, [opinion.id], state, why)
