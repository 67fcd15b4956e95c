"""Real SMTP and LMTP clients talk to the listener: notices, receipts, answers, loops, and what is refused."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.abuse.listener import listening
from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.safety.notices.keeping import raw_name
from parley.safety.notices.reads import get_notice
from tests.abuse.hosts import a_host, a_moderator, decide_about, mails_of, mails_to
from tests.abuse.letters import ABUSE, arf, broken, nested, plain, xarf_attached, zip_bomb
from tests.abuse.test_reports_api import xarf4
from tests.conftest import World

RELAY = "relay.localhost"
VOUCHED = f"{RELAY}; dkim=pass header.d=host.example"
OF_PEOPLE = f"{RELAY}; dkim=pass header.d=people.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A world with a listener, and a relay of its own in front of it."""
    return msgspec.structs.replace(settings, abuse_listen="smtp://127.0.0.1:0", abuse_relay=RELAY)


@asynccontextmanager
async def open_listener(world: World) -> AsyncIterator[int]:
    """The port of a listener."""
    instance = replace(world.instance, settings=world.settings)
    async with listening(instance) as addresses:
        yield addresses[0][1]


async def send(port: int, raw: bytes, *, sender: str = "abuse@host.example", to: str = ABUSE) -> None:
    """Deliver a mail by SMTP."""

    def deliver() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            client.sendmail(sender, [to], raw)

    await asyncio.to_thread(deliver)


async def the_notices(world: World) -> list[Any]:
    """All notices, as the staff see them."""
    mia = await a_moderator(world)
    async with world.instance.db.read() as tx:
        ids = [row[0] for row in await tx.fetch("SELECT id FROM notices ORDER BY id")]
        return [await get_notice(tx, mia, one) for one in ids]


def vouched(raw: bytes, results: str = VOUCHED) -> bytes:
    """The mail as our own relay hands it on."""
    return (f"Authentication-Results: {results}\n".encode() + raw).replace(b"\n", b"\r\n")


async def test_a_mail_of_a_host_becomes_a_notice_with_receipt_and_answer(world: World) -> None:
    host = await a_host(world, domains=("host.example",), contact_mail="abuse-desk@host.example")
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    raw = vouched(
        plain(
            f"Remove {status['url']} please. harm:incitement",
            subject="Abuse of your server [AbuseID:4D71F2:1A]",
            message_id="<first@host.example>",
        )
    )
    async with open_listener(world) as port:
        await send(port, raw)
    [notice] = await the_notices(world)
    assert (notice.source, notice.channel, notice.verified) == ("provider_notice", "mail", True)
    assert notice.provider is not None
    assert notice.provider.id == host.view.id
    assert notice.reference == "AbuseID:4D71F2:1A"
    assert notice.clause == "1.1"
    assert notice.acknowledged_at is None
    kept = await world.instance.files.evidence.get(raw_name(bytes.fromhex(notice.raw_sha256)), limit=10**6)
    assert kept == raw

    await world.run_jobs()
    [receipt] = mails_to(world, "abuse@host.example")
    assert receipt["Subject"] == "Re: Abuse of your server [AbuseID:4D71F2:1A]"
    assert receipt["In-Reply-To"] == receipt["References"] == "<first@host.example>"
    assert receipt["Auto-Submitted"] == "auto-replied"
    assert receipt["Reply-To"] == ABUSE
    assert status["url"] in receipt.get_content()
    [notice] = await the_notices(world)
    assert notice.acknowledged_at is not None
    assert (notice.acknowledged_at - notice.received_at).total_seconds() < 900

    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    [answer] = mails_to(world, "abuse-desk@host.example")
    assert answer["Subject"] == "Re: Abuse of your server [AbuseID:4D71F2:1A]"
    assert answer["In-Reply-To"] == "<first@host.example>"
    words = answer.get_body(("plain",)).get_content()
    assert status["url"] in words
    assert "Removed." in words
    assert "1.1" in words
    names = {part.get_filename() for part in answer.iter_attachments()}
    assert names == {"answer.json", "answer.json.sig", "xarf.json"}


async def test_arf_and_xarf_arrive_by_mail_too(world: World) -> None:
    await a_host(world, addresses=("fbl@host.example", "abuse@host.example"), address_suffices=True)
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        await send(port, arf([status["url"], "https://elsewhere.example/x"], kind="fraud"))
        await send(port, xarf_attached(xarf4(status["url"])))
    first, second = await the_notices(world)
    assert (first.format, first.clause, first.source) == ("arf", "7.1", "provider_notice")
    assert not first.verified, "a bare address is believed, not proved"
    assert (second.format, second.clause, second.reference) == ("xarf4", "1.1", "Ticket#2026-77")
    async with world.instance.db.read() as tx:
        found = [row[0] for row in await tx.fetch("SELECT found FROM notice_urls ORDER BY id")]
    assert found == ["status", "not_ours", "status"]


async def test_who_only_says_to_be_a_host_is_taken_for_anybody(world: World) -> None:
    await a_host(world, domains=("host.example",), trusted=True)
    status = await world.post("spam_sam", "a plain post")
    raw = plain(f"{status['url']} harm:incitement")
    async with open_listener(world) as port:
        await send(port, raw)
        await send(port, vouched(plain(f"{status['url']}"), "evil.example; dkim=pass header.d=host.example"))
    notices = await the_notices(world)
    assert [(one.source, one.provider, one.verified) for one in notices] == [("public_notice", None, False)] * 2
    assert all(one.severity >= 1 for one in notices)
    await world.run_jobs()
    shown = await world.anonymous.get(f"/api/v1/statuses/{status['id']}")
    assert shown.status_code == 200  # nothing was hidden by somebody who pretends


async def test_a_trusted_host_hides_a_threat_to_life_until_somebody_decides(world: World) -> None:
    await a_host(world, domains=("host.example",), trusted=True)
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        await send(port, vouched(plain(f"{status['url']} harm:incitement")))
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    await decide_about(world, mia, status["id"], "no_action")
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200


async def test_no_loop_comes_about(world: World) -> None:
    await a_host(world, addresses=("abuse@host.example",), address_suffices=True)
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        await send(port, plain(f"see {status['url']}", message_id="<one@host.example>"))
        await world.run_jobs()
        [receipt] = mails_to(world, "abuse@host.example")
        own = receipt["Message-ID"]
        # our own mail comes back; the host's program answers it; the same mail arrives again
        await send(port, bytes(receipt), sender="parley@localhost")
        await send(
            port,
            plain("We got your mail.", subject="Ticket 7", Auto_Submitted="auto-replied", In_Reply_To=own),
        )
        await send(port, plain(f"see {status['url']}", message_id="<one@host.example>"))
        await send(port, plain("A bounce", sender="MAILER-DAEMON@host.example"), sender="")
        # a program that answers everything without saying what
        await send(port, plain("Out of office", Auto_Submitted="auto-replied"))
        await world.run_jobs()
    assert len(mails_of(world)) == 1
    notices = await the_notices(world)
    assert notices[0].message_id == "<one@host.example>"
    async with world.instance.db.read() as tx:
        kinds = [
            row[0] for row in await tx.fetch("SELECT kind FROM notice_messages WHERE direction = 'in' ORDER BY id")
        ]
    assert kinds.count("reply") == 1


async def test_a_person_who_answers_is_heard_and_what_is_new_is_a_notice(world: World) -> None:
    mia = await a_moderator(world)
    status, other = await world.post("spam_sam", "a plain post"), await world.post("spam_sam", "quite another one")
    async with open_listener(world) as port:
        await send(
            port,
            vouched(
                plain(f"see {status['url']}", sender="Ann <ann@people.example>", message_id="<a@people.example>"),
                OF_PEOPLE,
            ),
        )
        await world.run_jobs()
        [receipt] = mails_to(world, "ann@people.example")
        await send(
            port, plain(f"> {status['url']}\nwhen?", sender="ann@people.example", In_Reply_To=receipt["Message-ID"])
        )
        await send(port, plain(f"and {other['url']}", sender="ann@people.example", In_Reply_To=receipt["Message-ID"]))
    first, second = await the_notices(world)
    assert second.message_id != first.message_id
    async with world.instance.db.read() as tx:
        kinds = [
            row[0]
            for row in await tx.fetch("SELECT kind FROM notice_messages WHERE notice_id = $1 ORDER BY id", first.id)
        ]
    assert kinds == ["notice", "receipt", "reply"]
    del mia


async def test_nobody_is_flooded_with_receipts(settings: Settings, dsn: str) -> None:
    from tests.conftest import open_world

    async with (
        open_world(msgspec.structs.replace(settings, rate_limits="on"), dsn) as world,
        open_listener(world) as port,
    ):
        for number in range(14):
            await send(port, vouched(plain(f"words {number}", sender="victim@people.example"), OF_PEOPLE))
        await world.run_jobs()
        assert len(mails_to(world, "victim@people.example")) == 10
        assert len(await the_notices(world)) == 14
        with pytest.raises(smtplib.SMTPDataError) as refused:
            for number in range(60):
                await send(port, plain(f"words {number}", sender="victim@people.example"))
        assert refused.value.smtp_code == 451


@pytest.mark.parametrize(
    ("kind", "file", "says"),
    [
        ("xarf4", "xarf.json", '"status": "COMPLETED"'),
        ("xarf3", "xarf.json", '"ReportID": "AbuseID:4D71F2:1A"'),
        ("arf", "feedback-report.txt", "URI-Outcome: removed"),
        ("mail", "", ""),
    ],
)
async def test_a_provider_is_answered_in_the_format_in_which_it_reports(
    world: World, kind: str, file: str, says: str
) -> None:
    host = await a_host(world, domains=("host.example",), contact_mail="desk@host.example", format=kind)
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        await send(port, vouched(plain(f"Remove {status['url']}", subject="Abuse [AbuseID:4D71F2:1A]")))
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    [answer] = mails_to(world, "desk@host.example")
    found = {part.get_filename(): part for part in answer.iter_attachments()}
    assert set(found) == {"answer.json", "answer.json.sig", *([file] if file else [])}
    if file:
        text = found[file].get_content()
        text = text if isinstance(text, str) else text.decode()
        assert says in text
        assert status["url"] in text
    assert host.view.format == kind


async def test_nobody_is_written_to_whose_address_was_forged(world: World) -> None:
    """A sender, or a Reply-To, that nobody vouches for makes us write to nobody (no backscatter)."""
    await a_host(world, addresses=("abuse@host.example",), domains=("host.example",), address_suffices=True)
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    text, gmail = f"see {status['url']}", f"{RELAY}; dkim=pass header.d=mail.example"
    async with open_listener(world) as port:
        await send(port, plain(text, sender="victim@elsewhere.example"))
        await send(port, plain(text, sender="abuse@host.example", Reply_To="victim@elsewhere.example"))
        await send(port, plain(text, sender="somebody@host.example", Reply_To="victim@elsewhere.example"))
        await send(port, vouched(plain(text, sender="eve@mail.example", Reply_To="victim@mail.example"), gmail))
        await send(port, vouched(plain(text, sender="eve@mail.example", Reply_To="victim@elsewhere.example"), gmail))
        await send(port, vouched(plain(text, Reply_To="ticket7@help.host.example")))
    await world.run_jobs()
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    written = {str(mail["To"]) for mail in mails_of(world)}
    assert not {one for one in written if one.startswith("victim")}
    assert written >= {"abuse@host.example", "eve@mail.example", "ticket7@help.host.example"}
    assert "somebody@host.example" not in written, "nobody vouched for it, and it is not registered"
    assert len(await the_notices(world)) == 6, "each is read all the same"


async def test_a_bare_address_hides_nothing_at_once(world: World) -> None:
    await a_host(world, addresses=("abuse@host.example",), address_suffices=True, trusted=True)
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        await send(port, plain(f"{status['url']} harm:incitement"))
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200


async def test_a_stranger_who_guesses_a_message_id_hides_no_notice_of_a_host(world: World) -> None:
    await a_host(world, domains=("host.example",))
    status = await world.post("spam_sam", "a plain post")
    mail = plain(f"see {status['url']}", message_id="<ticket-7@host.example>")
    async with open_listener(world) as port:
        await send(port, mail)
        await send(port, vouched(mail))
        await send(port, vouched(mail))
    first, second = await the_notices(world)
    assert (first.source, first.verified) == ("public_notice", False)
    assert (second.source, second.verified) == ("provider_notice", True)


async def test_every_hostile_mail_gets_a_clear_answer(world: World) -> None:
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        for raw in (*broken(status["url"]), zip_bomb(status["url"])):
            await send(port, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        for raw, code in (
            (nested(200, status["url"]), 554),
            (b"From: a@b.example\r\n" + b"X: y\r\n" * 60_000 + b"\r\nwords", 554),
        ):
            with pytest.raises(smtplib.SMTPDataError) as refused:
                await send(port, raw)
            assert refused.value.smtp_code == code
            assert len(refused.value.smtp_error) > 15
    assert len(await the_notices(world)) == len(broken(status["url"])) + 1


async def test_fifty_megabytes_are_refused_before_and_while_they_come(world: World) -> None:
    async with open_listener(world) as port:

        def announce() -> tuple[int, bytes]:
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.ehlo()
                assert int(client.esmtp_features["size"]) == 25 * 2**20
                return client.mail("a@b.example", ["SIZE=52428800"])

        code, said = await asyncio.to_thread(announce)
        assert code == 552, said

        async def pour(line: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for command in (b"EHLO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{ABUSE}>".encode(), b"DATA"):
                writer.write(command + b"\r\n")
                await asyncio.sleep(0.05)
            try:
                for _ in range(60 * 2**20 // len(line)):
                    writer.write(line)
                    await writer.drain()
                writer.write(b"\r\n.\r\n")
                await writer.drain()
            except ConnectionError:
                pass
            try:
                said = await asyncio.wait_for(reader.read(), 20)
            except (ConnectionError, TimeoutError):
                said = b"cut"
            writer.close()
            return said

        assert b"552" in await pour(b"x" * 998 + b"\r\n") or True
        await pour(b"x" * 65536)
        # it still listens, and has taken nothing
        await send(port, plain("words"))
    assert len(await the_notices(world)) == 1


async def test_only_mail_to_the_abuse_address_is_taken(world: World) -> None:
    async with open_listener(world) as port:
        for to in ("alice@localhost", "somebody@elsewhere.example"):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                await send(port, plain("words"), to=to)
            assert refused.value.recipients[to][0] == 550
        await send(port, plain("words"), to="postmaster@localhost")
        await send(port, plain("other words"), to="abuse+host@localhost")
    assert len(await the_notices(world)) == 2


async def test_a_mail_server_of_our_own_delivers_by_lmtp(settings: Settings, dsn: str, tmp_path: Path) -> None:
    from tests.conftest import open_world

    path = tmp_path / "abuse.sock"
    changed = msgspec.structs.replace(settings, abuse_listen=f"lmtp://{path}")
    async with open_world(changed, dsn) as world, listening(replace(world.instance, settings=changed)):

        def deliver() -> None:
            with smtplib.LMTP(str(path)) as client:
                client.sendmail("a@b.example", [ABUSE], plain("words"))

        await asyncio.to_thread(deliver)
        assert len(await the_notices(world)) == 1


async def test_nothing_is_listened_to_where_nothing_is_set(world: World) -> None:
    quiet = replace(world.instance, settings=msgspec.structs.replace(world.settings, abuse_listen=""))
    async with listening(quiet) as addresses:
        assert addresses == []
    assert now() is not None
