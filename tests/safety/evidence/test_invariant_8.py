"""Invariant 8 through every purge there is: nothing goes under a hold, and what was due goes when it ends."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import parley
from parley.kit.clock import now, time_travel
from parley.kit.errors import Conflict
from parley.safety.decisions.jobs import forget_traces
from parley.safety.evidence.holding import release_hold
from parley.safety.evidence.jobs import capture_held, purge_evidence
from parley.safety.evidence.law_views import Held
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.notices.jobs import forget_notice_senders
from parley.safety.notices.keeping import keep_raw, raw_name
from parley.social.sessions.for_evidence import Subscriber, get_subscriber
from parley.social.sessions.jobs import delete_stale_credentials, delete_unconfirmed_accounts
from parley.social.sessions.members import reject_account
from parley.social.sessions.store import get_session_member, update_email
from tests.abuse.test_notices import take
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.evidence.test_retention import CLOSE_CASE, DAY, OPEN_CASE, change, hold, staff

ADDRESS = "192.0.2.9"

# Every table of which rows are deleted anywhere in the product, and what a hold does about it.
KEEPS = {
    # kept by the row: the statement asks whether the account is held, or preserved
    "accounts": "DELETE_PENDING asks is_held",
    "account_traces": "DELETE_OLD_TRACES asks is_held",
    "files": "only names of LIST_UNPRESERVED and LIST_LEFT_REMOVED are freed: both ask is_preserved",
    "held_remains": "DELETE_HELD_REMAINS asks is_held",
    "media_remains": "DELETE_REMAINS asks is_preserved",
    "raw_messages": "only what no notice names; LIST_FORGETTABLE asks is_preserved",
    # kept by a trigger
    "media": "the trigger `remains` (0021)",
    "sessions": "the trigger `held` (0038)",
    "passkeys": "the trigger `held` (0038)",
    "scheduled_statuses": "the trigger `held` (0038)",
    # stands in the revisions of a status too, which are never deleted
    "polls": "status_revisions.poll_options",
    "status_mentions": "status_revisions.mentions",
    "status_tags": "status_revisions.tags",
    # in the log, or of the operator's and the desk's own working
    **dict.fromkeys(
        ("account_restrictions", "required_changes", "removed_texts", "jury_members", "war_queue", "sweep_approvals"),
        "decisions about it are in the log",
    ),
    **dict.fromkeys(
        ("hash_banks", "bank_hashes", "hidden_contents", "hash_exchanges", "hash_exchange_approvals", "bank_drafts",
         "member_sweep_entries",
         "bank_draft_parts", "custom_emojis", "invites"),
        "of the operator, not of an account",
    ),
    # proofs that run out within minutes or days, and sign in whoever has them: nothing of them may stay
    **dict.fromkeys(
        ("one_time_tokens", "authorization_codes", "recovery_codes", "idempotency_keys", "used_challenges",
         "notice_tokens", "rate_limits"),
        "a proof, a lock or a count, never evidence",
    ),
    # worked out from what is kept
    **dict.fromkeys(
        ("events_default", "fingerprint_queue", "home_timeline", "kept", "notifications", "pgqueuer_log",
         "raw_message_days", "recent_numbers", "resolved_links", "rule_hours", "screening_hours",
         "status_fingerprints", "status_search", "stranger_mentions"),
        "made from what is kept",
    ),
    # whom and what a member follows, blocks, likes, boosts, lists: no hold keeps what is taken back of that (the guide
    # for operators says so); `statuses` are boosts here, `imports` lists of them
    **dict.fromkeys(
        ("account_conversations", "account_domain_blocks", "account_notes", "blocks", "bookmarks",
         "conversation_mutes", "endorsements", "favourites", "featured_tags", "filter_keywords",
         "filter_statuses", "filters", "follow_requests", "follows", "import_rows", "imports", "list_accounts",
         "lists", "mutes", "status_pins", "statuses", "tag_follows"),
        "relations and marks",
    ),
}  # fmt: skip


def test_for_every_table_of_which_rows_are_deleted_it_is_decided_what_a_hold_does() -> None:
    found: set[str] = set()
    for path in Path(parley.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r"\bDELETE FROM (\w+)", path.read_text()))
    assert found == set(KEEPS)


# Every column that is emptied by a job or by its owner, and that names or places somebody.
EMPTIED = {
    "sign_up_address": "UPDATE_OLD_ADDRESSES asks is_held; the trigger `held` keeps what is written over",
    "unconfirmed_email": "the trigger `held` keeps what is written over",
    "content": "UPDATE_PURGED is for what due_evidence names",
}


def test_no_other_column_with_an_address_or_a_text_is_emptied() -> None:
    named = re.compile(r"\b(\w*(?:address|email|mail|content|text|body|agent)\w*) = NULL\b(?! *(?:AND|OR|THEN))")
    found: set[str] = set()
    for path in Path(parley.__file__).parent.rglob("*store*.py"):
        found |= set(named.findall(path.read_text()))
    assert found == set(EMPTIED)


async def subscriber_of(world: World, name: str = "spam_sam") -> Subscriber:
    async with world.instance.db.read() as tx:
        found = await get_subscriber(tx, world.ids[name])
    assert found is not None
    return found


async def sam_signs_in(world: World) -> None:
    """Sam signed up and signs in from an address, in a browser that can be told by its cookie."""
    await world.account("spam_sam")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET sign_up_address = $2 WHERE account_id = $1", world.ids["spam_sam"], ADDRESS)
        await tx.execute(
            "INSERT INTO sessions (account_id, token_hash, user_agent, address, expires_at, device_hash) "
            "SELECT $1, decode(md5(n::text), 'hex'), 'Browser ' || n, $2, $3, '\\x01' FROM generate_series(1, 3) n",
            world.ids["spam_sam"], ADDRESS, now() + 30 * DAY,
        )  # fmt: skip
        await tx.execute(
            "INSERT INTO account_traces (account_id, kind, digest) VALUES ($1, 'device', '\\x02')",
            world.ids["spam_sam"],
        )
        await tx.execute(
            "INSERT INTO passkeys (account_id, credential_id, public_key, name) VALUES ($1, '\\x0b', '\\x0c', 'key')",
            world.ids["spam_sam"],
        )


async def purge_all(world: World) -> None:
    for job in (delete_stale_credentials, delete_unconfirmed_accounts, forget_traces, purge_evidence):
        await job(world.instance, {})


async def counts_of(world: World) -> dict[str, int]:
    async with world.instance.db.read() as tx:
        sam = world.ids["spam_sam"]
        return {
            "sessions": await tx.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", sam),
            "held_remains": await tx.fetchval("SELECT count(*) FROM held_remains WHERE account_id = $1", sam),
            # those of signing up are noted by a job of their own, whenever that runs
            "account_traces": await tx.fetchval(
                "SELECT count(*) FROM account_traces WHERE account_id = $1 AND digest = '\\x02'", sam
            ),
        }


async def release(world: World, hold_id: int) -> None:
    viewer = await staff(world)
    async with world.instance.db.write() as tx:
        await release_hold(tx, viewer, hold_id, why="it is over")
    await world.run_jobs()


async def test_without_a_hold_sign_ins_are_forgotten_in_time(world: World) -> None:
    await sam_signs_in(world)
    with time_travel(800 * DAY):
        await purge_all(world)
    assert not any((await counts_of(world)).values())
    assert (await subscriber_of(world)).sign_up_address is None


@pytest.mark.parametrize("scope", ["account", "profile", "case"])
async def test_invariant_8_sign_ins_stay_under_a_hold_and_go_when_it_ends(world: World, scope: Any) -> None:
    await sam_signs_in(world)
    subject = world.ids["spam_sam"]
    if scope == "case":
        subject = await change(world, OPEN_CASE, subject)
        await change(world, CLOSE_CASE, subject, now())
    placed = await hold(world, Held(scope, subject))
    with time_travel(800 * DAY):
        await purge_all(world)
        kept = await subscriber_of(world)
        assert kept.sign_up_address == ADDRESS
        assert [one.address for one in kept.sign_ins] == [ADDRESS] * 3
        assert (await counts_of(world))["account_traces"] == 1
        async with world.instance.db.read() as tx:
            token = await tx.fetchval("SELECT token_hash FROM sessions ORDER BY id LIMIT 1")
            assert await get_session_member(tx, token, now()) is None, "it signs nobody in"
        await release(world, placed.id)
        await purge_all(world)
        assert not any((await counts_of(world)).values())
        assert (await subscriber_of(world)).sign_up_address is None
    await assert_audit_holds(world)


async def test_invariant_8_signing_out_and_a_new_address_take_nothing_away_under_a_hold(world: World) -> None:
    client = await world.client("spam_sam")
    await sam_signs_in(world)
    sam, before = world.ids["spam_sam"], (await subscriber_of(world)).email
    placed = await hold(world, Held("account", sam))
    planned = await client.post(
        "/api/v1/statuses", json={"status": "tomorrow it begins", "scheduled_at": (now() + DAY).isoformat()}
    )
    assert (await client.delete(f"/api/v1/scheduled_statuses/{planned.json()['id']}")).status_code == 200
    async with world.instance.db.write() as tx:
        await tx.execute("DELETE FROM sessions WHERE account_id = $1", sam)
        await tx.execute("DELETE FROM passkeys WHERE account_id = $1", sam)
        await update_email(tx, sam, "other@example.org", now())
    known = await subscriber_of(world)
    assert [(one.address, one.user_agent, one.ended_at is not None) for one in known.sign_ins] == [
        (ADDRESS, f"Browser {number}", True) for number in (1, 2, 3)
    ]
    assert (known.email, [one.email for one in known.former]) == ("other@example.org", [before])
    assert ("passkey", "key") in [(one.kind, one.name) for one in known.devices]
    assert "tomorrow it begins" in str(known.planned[0].row)
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT remains FROM held_remains")
        assert not [one for (one,) in rows for name in one if "hash" in name and name != "device_hash"], "no credential"
        assert not [one for (one,) in rows if {"public_key", "otp_secret_sealed"} & set(one)]
    with time_travel(800 * DAY):
        await purge_all(world)
        assert len((await subscriber_of(world)).sign_ins) == 3
        await release(world, placed.id)
        known = await subscriber_of(world)
    assert (list(known.sign_ins), list(known.former), list(known.planned)) == ([], [], [])
    assert not (await counts_of(world))["held_remains"]


async def test_a_hold_captures_who_a_member_is_at_once_and_forgets_it_when_it_ends(world: World) -> None:
    await sam_signs_in(world)
    placed = await hold(world, Held("account", world.ids["spam_sam"]))
    await world.run_jobs()
    find = "SELECT content FROM evidence_snapshots WHERE subject_type = 'subscriber' AND content IS NOT NULL"
    async with world.instance.db.read() as tx:
        (content,) = [row[0] for row in await tx.fetch(find)]
    assert "spam_sam@example.org" in content
    assert ADDRESS in content
    assert "Browser 2" in content
    await capture_held(world.instance, {"hold_id": placed.id})
    async with world.instance.db.read() as tx:
        assert len(await tx.fetch(find)) == 1, "nothing new is no new snapshot"
    with time_travel(timedelta(hours=1)):
        await release(world, placed.id)
        async with world.instance.db.read() as tx:
            assert not await tx.fetch(find)
    await assert_audit_holds(world)


async def test_a_newcomer_under_a_hold_is_not_deleted(world: World) -> None:
    await sam_signs_in(world)
    sam = world.ids["spam_sam"]
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = 'pending' WHERE id = $1", sam)
        await tx.execute("UPDATE users SET email_confirmed_at = NULL, approved_at = NULL WHERE account_id = $1", sam)
    placed = await hold(world, Held("account", sam))
    with time_travel(30 * DAY):
        await delete_unconfirmed_accounts(world.instance, {})
        assert (await subscriber_of(world)).sign_up_address == ADDRESS
        admin = replace(await staff(world), scopes=frozenset({"admin:write"}))
        async with world.instance.db.write() as tx:
            with pytest.raises(Conflict, match="must be kept"):
                await reject_account(tx, admin, sam)
        await release(world, placed.id)
        await delete_unconfirmed_accounts(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await get_subscriber(tx, sam) is None


async def test_invariant_8_who_wrote_a_notice_about_somebody_under_a_hold_is_not_forgotten(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    raw = await keep_raw(world.instance, b"a raw message", provider_id=None)
    notice_id = await take(
        world, status["url"], source="public_notice", raw=raw, reporter_name="Ann", reporter_mail="ann@people.example"
    )
    await world.run_jobs()
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "tested")
        await tx.execute("UPDATE notices SET answered_at = $2 WHERE id = $1", notice_id, now())
        await tx.execute("UPDATE cases SET state = 'closed', closed_at = $1", now())
    placed = await hold(world, Held("account", world.ids["spam_sam"]))

    async def known() -> tuple[str, bool]:
        await forget_notice_senders(world.instance, {})
        async with world.instance.db.read() as tx:
            mail = await tx.fetchval("SELECT reporter_mail FROM notices WHERE id = $1", notice_id)
        return mail, await world.instance.files.evidence.exists(raw_name(raw.sha256))

    with time_travel(400 * DAY):
        assert await known() == ("ann@people.example", True)
        await release(world, placed.id)
        assert await known() == ("", False)
