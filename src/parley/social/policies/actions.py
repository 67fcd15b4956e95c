"""Proposing, approving and activating a version of the policy.

A version goes live when its tests pass, when a backtest says what it would have done, and, where that is much, when a
second member of the staff agrees. Whoever calls has looked up who acts (`Staff`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.screening import PolicyError, Ruleset
from parley.screening.cases import run_cases
from parley.screening.difference import Change, compare_rulesets
from parley.screening.documents import Activation
from parley.screening.reading import hash_files
from parley.social.events.actions import record
from parley.social.events.facts import PolicyActivated, PolicyApproved, PolicyProposed
from parley.social.policies import store, store_banks
from parley.social.policies.live import announce_ruleset, compile_files, load_version
from parley.social.policies.store import BacktestRow, LiveRow, VersionRow
from parley.social.policies.views import Staff

MAX_NOTE = 2000
MOST_MAILED = 30
"""Changes that the letter about an emergency names."""


class Activated(msgspec.Struct, frozen=True, kw_only=True):
    """What an activation did: the ruleset that judges now, what changed, and under which conditions.

    `emergency`: without a backtest, so that admins and owners are told by mail.
    """

    sha256: str
    ruleset: str
    changes: tuple[Change, ...]
    needs_second: bool
    alone: bool
    emergency: bool
    backtest: BacktestRow | None


async def propose_policy(tx: Tx, staff: Staff, files: dict[str, bytes], *, note: str = "") -> str:
    """Keep a policy as a version, for others to look at. Returns its hash; proposing it again changes nothing.

    Raises Forbidden, and Invalid with every problem, failing tests among them.
    """
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners propose a policy.")
    base = await _checked(files)
    sha256 = hash_files(files)
    by = (staff.account_id, staff.username)
    new = await store.insert_version(
        tx, sha256, files, name=base.name, version=base.version, source="proposed", by=by, note=note[:MAX_NOTE]
    )
    if new:
        await record(tx, PolicyProposed(account_id=staff.account_id, policy_sha256=sha256))
    return sha256


async def _checked(files: dict[str, bytes]) -> Ruleset:
    try:
        base = await compile_files(files)
    except PolicyError as error:
        raise Invalid(str(error)) from error
    problems = await asyncio.to_thread(run_cases, base)
    if problems:
        raise Invalid("Tests of the policy fail:\n" + "\n".join(f"  {problem}" for problem in problems[:20]))
    return base


async def find_version(tx: Tx, written: str) -> VersionRow:
    """The version whose hash begins as written. Raises NotFound, and Conflict when several do."""
    prefix = written.strip().lower()
    plain = len(prefix) >= 4 and all(character in "0123456789abcdef" for character in prefix)
    found = await store.list_versions(tx, prefix, limit=2) if plain else []
    if not found:
        raise NotFound(f"There is no version {written!r}. `parley policy versions` lists them by their hashes.")
    if len(found) > 1:
        raise Conflict(f"Several versions begin with {written!r}. Give more digits.")
    return found[0]


async def approve_policy(tx: Tx, staff: Staff, sha256: str, *, note: str = "") -> None:
    """Agree that a version goes live. Raises Forbidden for who proposed it: four eyes are of two people."""
    version = await find_version(tx, sha256)
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners approve a policy.")
    if version.proposed_by == staff.account_id:
        raise Forbidden("You proposed this version. Somebody else has to approve it.")
    await store.insert_approval(tx, version.sha256, (staff.account_id, staff.username), note[:MAX_NOTE])
    await record(tx, PolicyApproved(account_id=staff.account_id, policy_sha256=version.sha256))


async def record_backtest(
    tx: Tx,
    sha256: str,
    *,
    backtest_id: int,
    against: str,
    judged: int,
    stopped: int,
    released: int = 0,
    detail: dict[str, Any] | None = None,
) -> None:
    """Keep what a version would have done to history: of `judged` posts, `stopped` newly held, refused or quarantined,
    and `released` no longer so.

    `against` is the hash of the ruleset, or of the policy's files, with which it was compared. Called by whoever ran
    the backtest, in its transaction.
    """
    version = await find_version(tx, sha256)
    kept = {**(detail or {}), "released": released}
    await store.insert_backtest(tx, version.sha256, backtest_id, against, (judged, stopped), kept)


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a version changes, and under which conditions it may go live."""

    new: Ruleset
    changes: tuple[Change, ...]
    stops: tuple[str, ...]
    frees: tuple[str, ...]
    backtest: BacktestRow | None
    needs_second: bool
    alone: bool

    @property
    def is_untried(self) -> bool:
        """Whether it decides otherwise, and no backtest says how."""
        return bool(self.stops or self.frees) and self.backtest is None


async def activate_policy(
    tx: Tx,
    staff: Staff,
    sha256: str,
    settings: Settings,
    *,
    note: str = "",
    emergency: str = "",
    follow: bool = False,
) -> Activated:
    """Make a version live in every process, from the moment that `tx` commits.

    Raises Forbidden for who is no admin, Invalid when its tests fail or an entry of the banks names a clause that it
    has not, Conflict when a backtest or a second member of the staff is missing. `emergency` gives the reason to go
    without a backtest; it does not replace the second member where more may be stopped. With `follow`, the folder's or
    the shipped policy takes its place as soon as that changes; otherwise it stays until another is activated.
    Everything is on record, and of an emergency every admin and owner is told by mail.
    """
    if not staff.is_admin:
        raise Forbidden("Only admins and owners make a policy live.")
    version = await find_version(tx, sha256)
    await store.get_lock(tx)
    live = await store.get_live(tx)
    if live.pinned is not follow and live.policy_sha256 == version.sha256:
        raise Conflict("This version is live already.")
    await _checked(await store.list_files(tx, version.sha256))
    terms = await _terms(tx, staff, version, live)
    if terms.is_untried and not emergency:
        what = (
            f"{_listed(terms.stops)} may stop more" if terms.stops else f"{_listed(terms.frees)} may let more through"
        )
        raise Conflict(
            f"{what} than before: run `parley policy backtest {version.sha256[:12]}` "
            "against what is live now, or give a reason with --emergency."
        )
    if terms.alone and settings.four_eyes:
        does = "stop" if terms.stops else "let through"
        raise Conflict(
            f"{_listed(terms.stops or terms.frees)} may {does} more than one person decides on: somebody other than "
            f"@{version.proposed_name or staff.username} runs `parley policy approve {version.sha256[:12]}` first."
        )
    await _go_live(tx, staff, terms, live, note, emergency, pinned=not follow)
    return Activated(
        sha256=version.sha256,
        ruleset=terms.new.sha256,
        changes=terms.changes,
        needs_second=terms.needs_second,
        alone=terms.alone,
        emergency=terms.is_untried,
        backtest=terms.backtest,
    )


async def _terms(tx: Tx, staff: Staff, version: VersionRow, live: LiveRow) -> _Terms:
    new = await load_version(tx, version.sha256, revision=live.bank_revision)
    await _check_clauses(tx, new, live.bank_revision)
    changes: tuple[Change, ...] = ()
    limits = new.head.activation
    if live.policy_sha256 is not None:
        old = await load_version(tx, live.policy_sha256, revision=live.bank_revision)
        changes = tuple(compare_rulesets(old, new))
        limits = old.head.activation  # what is live says how it may be replaced, not what replaces it
    stops = tuple(f"{change.part}:{change.name}" for change in changes if change.stops)
    backtest = await store.get_backtest(tx, version.sha256)
    if backtest is not None and not await _is_current(tx, backtest, live):
        backtest = None
    frees = tuple(f"{change.part}:{change.name}" for change in changes if change.frees)
    if backtest is None:
        needs_second = bool(stops)  # who lets more through in an emergency may be alone at night; it is on record
    else:
        much = bool(stops) and is_much(backtest.stopped, backtest.judged, limits)
        needs_second = much or (bool(frees) and is_much(backtest.released, backtest.judged, limits))
    return _Terms(
        new=new,
        changes=changes,
        stops=stops,
        frees=frees,
        backtest=backtest,
        needs_second=needs_second,
        alone=needs_second and not await _has_second(tx, version, staff),
    )


async def _go_live(
    tx: Tx, staff: Staff, terms: _Terms, live: LiveRow, note: str, emergency: str, *, pinned: bool
) -> None:
    new, backtest = terms.new, terms.backtest
    notes = [note, f"EMERGENCY, without a backtest: {emergency}" if terms.is_untried else ""]
    notes.append("WITHOUT FOUR EYES: the setting four_eyes is off" if terms.alone else "")
    await store.insert_activation(
        tx,
        new.policy_sha256,
        new.sha256,
        pinned=pinned,
        by=(staff.account_id, staff.username),
        backtest_id=backtest.backtest_id if backtest else None,
        needs_second=terms.needs_second,
        note="; ".join(filter(None, notes))[:MAX_NOTE],
    )
    fact = PolicyActivated(
        account_id=staff.account_id,
        policy_sha256=new.policy_sha256,
        needs_second=terms.needs_second,
        alone=terms.alone,
        without_backtest=terms.is_untried,
    )
    await record(tx, fact)
    if terms.is_untried:
        await _tell_of_emergency(tx, staff, terms, live, note, emergency)
    await announce_ruleset(
        tx,
        staff.account_id,
        new,
        live.bank_revision,
        what="policy",
        previous=live.ruleset,
        changed=tuple(f"{change.part}:{change.name}" for change in terms.changes),
    )


async def _tell_of_emergency(tx: Tx, staff: Staff, terms: _Terms, live: LiveRow, note: str, emergency: str) -> None:
    """Queue the letter to admins and owners: `letters.emergency` says what it needs."""
    deciding = [change for change in terms.changes if change.stops or change.frees]
    letter = {
        "username": staff.username,
        "at": now().isoformat(),
        "policy": terms.new.policy_sha256,
        "previous": live.policy_sha256,
        "follow": not live.pinned,
        "why": emergency[:MAX_NOTE],
        "note": note[:MAX_NOTE],
        "changes": [str(change) for change in deciding[:MOST_MAILED]],
        "more": max(len(deciding) - MOST_MAILED, 0),
        "alone": terms.alone or not terms.needs_second,
    }
    await enqueue(tx, "mail_emergency", letter)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def is_much(count: int, judged: int, limits: Activation) -> bool:
    """Whether so many of what was judged are more than one person decides on."""
    share = 100 * count / judged if judged else 0.0
    return count > limits.four_eyes_over_posts or share > limits.four_eyes_over_percent


async def _has_second(tx: Tx, version: VersionRow, staff: Staff) -> bool:
    """Whether it was approved by another than its proposer; of what shipped, by another than who activates it."""
    approvers = {account_id for account_id, _ in await store.list_approvers(tx, version.sha256)}
    return bool(approvers - {version.proposed_by or staff.account_id})


async def _is_current(tx: Tx, backtest: BacktestRow, live: LiveRow) -> bool:
    """Whether a backtest compared with the policy that is live now, whatever its banks were."""
    if live.policy_sha256 is None or backtest.against == live.policy_sha256:
        return True
    made_of = await store.get_ruleset(tx, backtest.against)
    return made_of is not None and made_of[0] == live.policy_sha256


async def _check_clauses(tx: Tx, new: Ruleset, revision: int) -> None:
    items = await store_banks.list_items(tx, revision)
    lost = sorted({item.clause for item in items} - set(new.clauses))
    if lost:
        raise Invalid(
            f"Entries of this instance's banks stand under clauses that this version has not: {', '.join(lost)}. "
            "Remove them or give them another clause first (`parley bank list`)."
        )
