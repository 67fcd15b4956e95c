"""A policy that stands in for the live one for a while, and putting the live one back exactly. For declared incidents.

It goes live without a backtest and without a second person: that is what an incident is declared for. Whoever calls
has decided that it may be so; everything is on record like any activation.
"""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid
from parley.screening import PolicyError
from parley.screening.difference import compare_rulesets
from parley.social.policies import store
from parley.social.policies.live import announce_ruleset, compile_files, load_version
from parley.social.policies.views import Staff


class Base(msgspec.Struct, frozen=True):
    """What was live: its hash, whether people had activated it, and its files."""

    sha256: str
    pinned: bool
    files: dict[str, bytes]


async def get_base(tx: Tx) -> Base:
    """What is live now, locked against other activations until `tx` ends. Raises Conflict before the first start."""
    await store.get_lock(tx)
    live = await store.get_live(tx)
    if live.policy_sha256 is None:
        raise Conflict("No policy is live yet: start the server once, and try again.")
    return Base(live.policy_sha256, live.pinned, await store.list_files(tx, live.policy_sha256))


async def override_policy(tx: Tx, staff: Staff | None, files: dict[str, bytes], *, note: str) -> str:
    """Make these files live until `restore_policy`; returns their hash. Raises Invalid when they cannot be used."""
    try:
        base = await compile_files(files)
    except PolicyError as error:
        raise Invalid(str(error)) from error
    by = (staff.account_id, staff.username) if staff else (None, "")
    sha256 = base.policy_sha256
    await store.insert_version(
        tx, sha256, files, name=base.name, version=base.version, source="incident", by=by, note=note
    )
    await _activate(tx, staff, sha256, pinned=True, note=note)
    return sha256


async def restore_policy(tx: Tx, staff: Staff | None, sha256: str, *, pinned: bool, instead_of: str, note: str) -> bool:
    """Make a version live again, if what stood in for it (`instead_of`) is live still.

    False when people have activated something else meanwhile: theirs stays.
    """
    await store.get_lock(tx)
    live = await store.get_live(tx)
    if live.policy_sha256 != instead_of:
        return False
    await _activate(tx, staff, sha256, pinned=pinned, note=note)
    return True


async def _activate(tx: Tx, staff: Staff | None, sha256: str, *, pinned: bool, note: str) -> None:
    live = await store.get_live(tx)
    new = await load_version(tx, sha256, revision=live.bank_revision)
    changed: tuple[str, ...] = ()
    if live.policy_sha256 is not None:
        old = await load_version(tx, live.policy_sha256, revision=live.bank_revision)
        changed = tuple(f"{change.part}:{change.name}" for change in compare_rulesets(old, new))
    by = (staff.account_id, staff.username) if staff else (None, "")
    await store.insert_activation(
        tx, sha256, new.sha256, pinned=pinned, by=by, backtest_id=None, needs_second=False, note=note
    )
    await announce_ruleset(tx, by[0], new, live.bank_revision, what="policy", previous=live.ruleset, changed=changed)
