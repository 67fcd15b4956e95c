"""What strangers may send has an end, which real people hardly meet; nothing is lost, and nobody fills the disk."""

from __future__ import annotations

import smtplib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.settings import Settings
from parley.safety.notices import challenges, store_raw
from parley.safety.notices.jobs import forget_notice_senders
from parley.safety.notices.keeping import STRANGERS, keep_raw, raw_name, sweep_raw_files, sweep_raw_messages
from parley.safety.notices.strangers import MOST_OF_ALL, ORDINARY
from tests.abuse.hosts import a_host
from tests.abuse.letters import nested, plain
from tests.abuse.test_notices import take
from tests.abuse.test_pages import FIELDS, send_notice, solve
from tests.abuse.test_smtp import open_listener, send, the_notices, vouched
from tests.conftest import World, open_world

pytestmark = pytest.mark.usefixtures("_built_assets")

KEPT = "SELECT coalesce(sum(kept), 0)::bigint FROM raw_message_days"


@pytest.fixture
async def strict(settings: Settings, dsn: str) -> AsyncIterator[World]:
    """A world with limits, a listener, a relay, a proxy, and room for one MiB a day."""
    changed = msgspec.structs.replace(
        settings,
        rate_limits="on",
        abuse_listen="smtp://127.0.0.1:0",
        abuse_relay="relay.localhost",
        abuse_daily_mib=1,
        trusted_proxies=("127.0.0.1",),
    )
    async with open_world(changed, dsn) as world:
        yield world


async def _code_of(port: int, raw: bytes) -> tuple[int, bytes]:
    try:
        await send(port, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    except smtplib.SMTPDataError as error:
        return error.smtp_code, error.smtp_error  # type: ignore[return-value]
    return 250, b""


async def test_a_mail_is_counted_before_its_body_is_looked_at(strict: World) -> None:
    async with open_listener(strict) as port:
        codes = [(await _code_of(port, nested(200, "words")))[0] for _ in range(61)]
    assert codes[0] == 554, "it is taken apart, and refused"
    assert codes[60] == 451, "a sender of many is told to wait before anything is taken apart"


async def test_strangers_cannot_fill_the_disk_and_hosts_are_still_heard(strict: World) -> None:
    await a_host(strict, domains=("host.example",))
    big = "words\n" * 70_000
    async with open_listener(strict) as port:
        sent = [
            await _code_of(port, plain(f"{number} {big}", sender=f"ann{number}@people.example")) for number in range(4)
        ]
        assert [code for code, _ in sent] == [250, 250, 451, 451], sent
        assert b"nothing is lost" in sent[2][1]
        assert b"minutes" in sent[2][1]
        assert (await _code_of(port, vouched(plain(big, sender="abuse@host.example"))))[0] == 250
    assert len(await the_notices(strict)) == 3
    async with strict.instance.db.read() as tx:
        files = await tx.fetchval("SELECT count(*) FROM raw_messages")
        assert files == 3, "what was refused was not kept"
        assert await store_raw.count_kept_bytes(tx, STRANGERS) < 2**20
    with time_travel(timedelta(days=1)):
        async with open_listener(strict) as port:
            assert (await _code_of(port, plain(f"2 {big}", sender="ann2@people.example")))[0] == 250


async def test_what_strangers_fill_in_all_leaves_room_for_hosts(settings: Settings, dsn: str) -> None:
    changed = msgspec.structs.replace(settings, abuse_kept_mib=1)
    async with open_world(changed, dsn) as world:
        from parley.kit.errors import RateLimited

        host = await a_host(world)
        await keep_raw(world.instance, b"a" * 700_000, provider_id=None)
        with pytest.raises(RateLimited, match="no room"):
            await keep_raw(world.instance, b"b" * 700_000, provider_id=None)
        await keep_raw(world.instance, b"c" * 700_000, provider_id=host.view.id)
        await keep_raw(world.instance, b"a" * 700_000, provider_id=None)
        async with world.instance.db.read() as tx:
            assert await tx.fetchval(KEPT) == 1_400_000, "the same bytes are counted once"


async def test_what_became_no_notice_is_swept_and_what_did_stays(world: World) -> None:
    orphan = await keep_raw(world.instance, b"an orphan", provider_id=None)
    named = await keep_raw(world.instance, b"of a notice", provider_id=None)
    await take(world, "https://elsewhere.example/x", source="public_notice", raw=named, reporter_mail="a@b.example")
    files = world.instance.files.evidence
    await sweep_raw_messages(world.instance, {})
    assert await files.exists(raw_name(orphan.sha256)), "it is young: its notice may be on its way"
    with time_travel(timedelta(days=2)):
        await sweep_raw_messages(world.instance, {})
        assert not await files.exists(raw_name(orphan.sha256))
        assert await files.exists(raw_name(named.sha256))
        async with world.instance.db.read() as tx:
            assert await tx.fetchval(KEPT) == len(b"of a notice")
        again = await keep_raw(world.instance, b"an orphan", provider_id=None)
        assert await files.exists(raw_name(again.sha256))


async def test_files_that_the_database_does_not_know_are_swept(world: World) -> None:
    files = world.instance.files.evidence
    await files.put(raw_name(b"x" * 32), b"left behind")
    known = await keep_raw(world.instance, b"known", provider_id=None)
    await sweep_raw_files(world.instance, {})
    assert await files.exists(raw_name(b"x" * 32))
    with time_travel(timedelta(days=2)):
        await sweep_raw_files(world.instance, {})
    assert not await files.exists(raw_name(b"x" * 32))
    assert await files.exists(raw_name(known.sha256))


async def test_mails_about_a_notice_are_forgotten_with_it(world: World) -> None:
    from parley.safety.log.views import Actor
    from parley.safety.notices.actions import note_reply

    raw = await keep_raw(world.instance, b"a notice", provider_id=None)
    reply = await keep_raw(world.instance, b"a reply", provider_id=None)
    notice_id = await take(
        world, "https://elsewhere.example/x", source="public_notice", raw=raw, reporter_mail="a@b.example"
    )
    async with world.instance.db.write() as tx:
        await note_reply(
            tx, Actor("public"), notice_id, address="a@b.example", message_id="<1@b.example>", raw_sha256=reply.sha256
        )
    await world.run_jobs()
    with time_travel(timedelta(days=200)):
        await forget_notice_senders(world.instance, {})
    files = world.instance.files.evidence
    assert not await files.exists(raw_name(raw.sha256))
    assert not await files.exists(raw_name(reply.sha256))


async def _fill(world: World, tries: int) -> None:
    start = now().replace(minute=0, second=0, microsecond=0)
    async with world.instance.db.write() as tx:
        await tx.execute(
            "INSERT INTO rate_limits (bucket, window_start, tries) VALUES ($1, $2, $3) "
            "ON CONFLICT (bucket, window_start) DO UPDATE SET tries = $3",
            ORDINARY,
            start,
            tries,
        )


async def test_strangers_together_have_a_bound_and_lose_nothing(strict: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(challenges, "MOST", 50)
    browser = strict.browser()
    await _fill(strict, MOST_OF_ALL)
    refused = await send_notice(browser, "https://elsewhere.example/x", harm="clause:7.1")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert FIELDS["explanation"] in refused.text, "what was typed is still there"
    assert "minutes" in refused.text
    assert "abuse@localhost" in refused.text
    urgent = await send_notice(browser, "https://elsewhere.example/x", harm="harm:incitement")
    assert urgent.status_code == 303, "a threat to life has room of its own"
    with time_travel(timedelta(hours=1)):
        later = await send_notice(browser, "https://elsewhere.example/x", harm="clause:7.1")
    assert later.status_code == 303


async def test_one_network_cannot_send_for_all(strict: World) -> None:
    codes = []
    for number in range(61):
        browser = strict.browser()
        browser.headers["x-forwarded-for"] = f"203.0.113.{number + 1}"
        codes.append((await send_notice(browser, "https://elsewhere.example/x", proof="none")).status_code)
    assert set(codes[:60]) == {422}
    assert codes[60] == 429
    elsewhere = strict.browser()
    elsewhere.headers["x-forwarded-for"] = "198.51.100.7"
    assert (await send_notice(elsewhere, "https://elsewhere.example/x")).status_code == 303


async def test_the_work_grows_with_the_load_and_easy_proofs_are_not_stored_up(strict: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(challenges, "MOST", 50)
    browser = strict.browser()
    easy = solve((await browser.get("/notice")).text)
    await _fill(strict, 150)
    page = (await browser.get("/notice")).text
    assert "maxNumber&#34;:200" in page or "maxNumber&quot;:200" in page
    await _fill(strict, 300)
    refused = await send_notice(browser, "https://elsewhere.example/x", proof=easy)
    assert refused.status_code == 422
    assert "more work" in refused.text
    assert FIELDS["explanation"] in refused.text
    assert (await send_notice(browser, "https://elsewhere.example/x")).status_code == 303


async def test_who_guesses_tokens_is_slowed_down_and_shown_the_other_doors(strict: World) -> None:
    for number in range(61):
        answer = await strict.anonymous.post(
            "/api/abuse/v1/reports", json={}, headers={"authorization": f"Bearer parley_abuse_{number}"}
        )
        assert answer.status_code == (401 if number < 60 else 429)
    bare = await strict.anonymous.post("/api/abuse/v1/reports", json={}, headers={"x-forwarded-for": "192.0.2.9"})
    assert bare.status_code == 401
    assert "/notice" in bare.text
    host = await a_host(strict)
    mine = await strict.anonymous.get("/api/abuse/v1/reports/1", headers={"authorization": f"Bearer {host.token}"})
    assert mine.status_code == 404, "a token that is known is not counted there"
