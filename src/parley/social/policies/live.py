"""Which ruleset judges in this process, and how every process comes by the same one.

A policy that was activated comes first, then the operator's folder, then the one that ships; entries of banks are
added to it. A process that cannot load what is live keeps what it has and says so in its log.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Database, LostConnection, ReadOnlyDatabase, Tx
from parley.kit.errors import NotFound, Unavailable
from parley.kit.instance import Instance
from parley.kit.live import Message, publish
from parley.kit.settings import Settings
from parley.screening import PolicyError, Ruleset
from parley.screening.extending import BankItem, extend_ruleset
from parley.screening.reading import hash_files, read_policy_files
from parley.screening.sources import policy_files
from parley.screening.yaml_files import Problem
from parley.social.events.actions import record
from parley.social.events.facts import RulesetChanged
from parley.social.policies import caps, store, store_banks, store_watch
from parley.social.policies.models import use_live_model, with_model
from parley.social.policies.store import LiveRow

log = logging.getLogger(__name__)

TOPIC = "ruleset"
"""Of the message that tells every process that another ruleset is live."""

RESYNC = "resync"
"""Of the message that this process lost its ear for a while (kit/live.py), and may have missed others."""

AGAIN_SECONDS = 0.25
RETRY_SECONDS = 2.0
_KEPT = 4
_compiled: dict[str, Ruleset] = {}
"""Policies without entries of banks, by the hash of their files: compiling one takes longer than all else."""


async def compile_files(files: dict[str, bytes]) -> Ruleset:
    """The ruleset of a policy's files, without entries of banks. Raises PolicyError with every problem."""
    sha256 = hash_files(files)
    if sha256 not in _compiled:
        ruleset, problems = await asyncio.to_thread(read_policy_files, files)
        if problems or ruleset is None:
            raise PolicyError(problems)
        _compiled[sha256] = ruleset
        while len(_compiled) > _KEPT:
            del _compiled[next(iter(_compiled))]
    return _compiled[sha256]


_PAGE = 10_000
_items: dict[int, BankItem] = {}
_items_revision = 0
_items_of = ""
"""The entries of banks that this process knows, by id, at which revision, and of which database."""


def _forget_items() -> None:
    global _items_revision
    _items.clear()
    _items_revision = 0


async def _live_items(db: Database, revision: int) -> list[BankItem]:
    """The entries at the banks' newest revision: what is known, and what has changed since.

    Fetched in pages, so that a process with many entries goes on answering meanwhile.
    """
    global _items_revision, _items_of
    if db.dsn != _items_of or revision < _items_revision:
        _forget_items()
        _items_of = db.dsn
    async with db.read() as tx:
        fresh: dict[int, BankItem] = {}
        last = 0
        while page := await store_banks.list_new_items(tx, _items_revision, revision, after=last, limit=_PAGE):
            fresh.update(page)
            last = page[-1][0]
        gone = await store_banks.list_gone(tx, _items_revision, revision)
    _items.update(fresh)
    for entry_id in gone:
        _items.pop(entry_id, None)
    _items_revision = revision
    return list(_items.values())


async def load_version(tx: Tx, policy_sha256: str, *, revision: int | None = None) -> Ruleset:
    """The ruleset of a version with the banks as they are now, or at a revision. Raises NotFound and PolicyError."""
    base = await _load_base(tx, policy_sha256)
    if revision is None:
        revision = (await store.get_live(tx)).bank_revision
    return await _extended(base, await store_banks.list_items(tx, revision) if revision else [])


async def _load_base(tx: Tx, policy_sha256: str) -> Ruleset:
    if policy_sha256 in _compiled:
        return _compiled[policy_sha256]
    files = await store.list_files(tx, policy_sha256)
    if not files:
        raise NotFound("There is no such version of the policy. `parley policy versions` lists them.")
    return await compile_files(files)


async def _extended(base: Ruleset, items: list[BankItem]) -> Ruleset:
    return with_model(await asyncio.to_thread(extend_ruleset, base, items) if items else base)


async def load_ruleset(tx: Tx, sha256: str) -> Ruleset:
    """The ruleset that a screening result names, made again of its files and the banks of its time.

    Its hash differs from the one asked for when the program that judges has changed since. Raises NotFound.
    """
    live = screening.live_ruleset()
    if live.sha256 == sha256:
        return live
    made_of = await store.get_ruleset(tx, sha256)
    if made_of is None:
        raise NotFound("This ruleset was never live here.")
    return await load_version(tx, made_of[0], revision=made_of[1])


async def announce_ruleset(
    tx: Tx,
    by: int | None,
    ruleset: Ruleset,
    revision: int,
    *,
    what: str,
    previous: str | None,
    changed: tuple[str, ...] = (),
) -> None:
    """Note what the new ruleset is made of, record that it is live and tell every process; all with `tx`."""
    await store.insert_ruleset(tx, ruleset.sha256, ruleset.policy_sha256, revision)
    fact = RulesetChanged(
        account_id=by or 0,
        what=what,
        ruleset=ruleset.sha256,
        previous=previous or "",
        policy_sha256=ruleset.policy_sha256,
        bank_revision=revision,
        changed=changed[:100],
    )
    await record(tx, fact)
    await publish(tx, Message(TOPIC, text=ruleset.sha256))


def configured_files(settings: Settings) -> dict[str, bytes]:
    """The files of the operator's folder, or of the policy that ships. Raises PolicyError."""
    folder = Path(settings.policy_dir) if settings.policy_dir else screening.shipped_policy()
    files = policy_files(folder)
    if isinstance(files, Problem):
        raise PolicyError([files])
    return files


def compile_ahead(settings: Settings) -> None:
    """Compile the configured policy before processes fork off, so that they share it. Problems wait for `load_live`."""
    try:
        files = configured_files(settings)
    except PolicyError:
        return
    ruleset, problems = read_policy_files(files)
    if ruleset is not None and not problems:
        _compiled[hash_files(files)] = ruleset


async def load_live(db: Database, settings: Settings, *, starting: bool = False) -> Ruleset:
    """Make what is live judge in this process.

    `starting` also looks at the folder or the shipped policy: where that has changed and no activated policy stands
    before it, it becomes live and is kept as a version. Raises PolicyError when nothing at all can be loaded.
    """
    await use_live_model(db, settings)
    async with db.read() as tx:
        live = await store.get_live(tx)
    if live.policy_sha256 is None or starting:
        live = await _note_configured(db, settings, live)
    assert live.policy_sha256 is not None
    try:
        async with db.read() as tx:
            base = await _load_base(tx, live.policy_sha256)
        ruleset = await _extended(base, await _live_items(db, live.bank_revision))
    except PolicyError as error:
        # A program that reads policies more strictly than the one that made this one live.
        log.error("the live policy %s cannot be used: %s", live.policy_sha256[:12], error)
        if not starting:
            return screening.live_ruleset()
        ruleset = await compile_files(configured_files(settings))
    screening.use_ruleset(ruleset)
    async with db.read() as tx:
        new = await store.get_ruleset(tx, ruleset.sha256) is None
        caps.use_capped(await store_watch.list_capped(tx, now()))
    if new:
        await _note_ruleset(db, ruleset, live)
    return ruleset


async def _note_configured(db: Database, settings: Settings, live: LiveRow) -> LiveRow:
    """Keep the folder's or the shipped policy as a version, and make it live unless people activated another."""
    try:
        files = configured_files(settings)
        sha256 = hash_files(files)
        if sha256 == live.policy_sha256:
            return live
        base = await compile_files(files)
    except PolicyError as error:
        if live.policy_sha256 is None:
            raise
        log.error("the policy that is configured cannot be used; what was live stays live: %s", error)
        return live
    async with db.write() as tx:
        await store.get_lock(tx)
        live = await store.get_live(tx)
        source = "folder" if settings.policy_dir else "shipped"
        await store.insert_version(
            tx, sha256, files, name=base.name, version=base.version, source=source, by=(None, ""), note=""
        )
        if live.policy_sha256 == sha256 or live.pinned:
            return live  # what people activated stays; the other is kept, so that they can compare and activate it
        ruleset = await load_version(tx, sha256, revision=live.bank_revision)
        note = f"found in {settings.policy_dir}" if settings.policy_dir else "came with the program"
        await store.insert_activation(
            tx, sha256, ruleset.sha256, pinned=False, by=(None, ""), backtest_id=None, needs_second=False, note=note
        )
        await announce_ruleset(
            tx, None, ruleset, live.bank_revision, what="program", previous=live.ruleset, changed=("policy",)
        )
    return LiveRow(sha256, False, ruleset.sha256, live.bank_revision)


async def _note_ruleset(db: Database, ruleset: Ruleset, live: LiveRow) -> None:
    """Note a ruleset that is new only because the program that judges has changed."""
    async with db.write() as tx:
        await store.get_lock(tx)
        if await store.get_ruleset(tx, ruleset.sha256) is None:
            await announce_ruleset(
                tx, None, ruleset, live.bank_revision, what="program", previous=live.ruleset, changed=("program",)
            )


async def follow_policy(instance: Instance) -> None:
    """Load what is live, and load it anew whenever another process says that it has changed."""
    wanted: set[str] = set()
    running: asyncio.Task[None] | None = None
    started = False

    async def reload() -> None:
        while wanted:
            topics = set(wanted)
            wanted.clear()
            try:
                await _hear(instance, topics)
            except (*LostConnection, Unavailable) as error:
                log.error(
                    "the new ruleset could not be loaded (%s); the old one stays for now, and it is tried again", error
                )
                wanted.update(topics)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("the new ruleset could not be loaded; the old one stays")

    def begin() -> None:
        nonlocal running
        if running is None or running.done():
            running = asyncio.create_task(reload())

    def hear(message: Message) -> None:
        if message.topic in (TOPIC, caps.TOPIC, RESYNC):
            wanted.add(message.topic)
            if started:
                begin()

    instance.live.subscribe(hear)  # before loading, so that no change falls between the two
    while True:
        try:
            await load_live(instance.db, instance.settings, starting=True)
            break
        except (*LostConnection, ReadOnlyDatabase, Unavailable):
            if not instance.gate.has_agent:
                raise
            await asyncio.sleep(AGAIN_SECONDS)  # a host that is not the primary; it may become it
    started = True
    if wanted:
        begin()


async def catch_up(instance: Instance) -> None:
    """Load what is live now, and let every cache be dropped: for a host that has just become the one that serves."""
    await load_live(instance.db, instance.settings)
    instance.live.resync()


async def _hear(instance: Instance, topics: set[str]) -> None:
    if topics == {caps.TOPIC}:
        async with instance.db.read() as tx:
            caps.use_capped(await store_watch.list_capped(tx, now()))
        return
    if RESYNC in topics:
        _forget_items()  # the database may be another than before: a standby that took over
    await load_live(instance.db, instance.settings)
    log.info("the live ruleset is %s", screening.live_ruleset().sha256[:12])
