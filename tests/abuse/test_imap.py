"""Abuse mail is taken out of a mailbox on a real IMAP server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from parley.abuse.mailbox import REFUSED, TAKEN, poll_abuse_mailbox
from tests.abuse.dovecot import PROGRAM, dovecot
from tests.abuse.hosts import a_host, mails_to
from tests.abuse.letters import broken, nested, plain
from tests.abuse.test_smtp import the_notices
from tests.conftest import World

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="dovecot is not installed: sudo apt-get install dovecot-imapd")


def with_mailbox(world: World, url: str) -> Any:
    """The instance with that mailbox."""
    return replace(world.instance, settings=msgspec.structs.replace(world.settings, abuse_imap=url))


async def test_mails_in_a_mailbox_become_notices_and_are_put_away(world: World) -> None:
    await a_host(world, addresses=("abuse@host.example",), address_suffices=True)
    status = await world.post("spam_sam", "words")
    raw = plain(f"see {status['url']}", subject="[AbuseID:1] look", message_id="<a@host.example>")
    with dovecot() as mailbox:
        instance = with_mailbox(world, mailbox.url)
        await poll_abuse_mailbox(instance, {})
        assert await the_notices(world) == []
        mailbox.deliver(raw, "one")
        mailbox.deliver(broken(status["url"])[0], "two")
        mailbox.deliver(nested(200, status["url"]), "three")
        await poll_abuse_mailbox(instance, {})
        assert (mailbox.count(), mailbox.count(TAKEN), mailbox.count(REFUSED)) == (0, 2, 1)
        await poll_abuse_mailbox(instance, {})
    notices = await the_notices(world)
    assert len(notices) == 2
    of_host = next(one for one in notices if one.provider is not None)
    assert of_host.reference == "AbuseID:1"
    assert of_host.raw_bytes == len(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    await world.run_jobs()
    [receipt] = mails_to(world, "abuse@host.example")
    assert receipt["In-Reply-To"] == "<a@host.example>"


async def test_a_mail_that_was_taken_and_not_yet_moved_is_not_taken_twice(world: World) -> None:
    with dovecot() as mailbox:
        instance = with_mailbox(world, mailbox.url)
        for number in range(2):
            mailbox.deliver(plain("words", message_id="<b@host.example>"), f"n{number}")
        await poll_abuse_mailbox(instance, {})
        assert mailbox.count(TAKEN) == 2
    assert len(await the_notices(world)) == 1


async def test_a_mailbox_that_cannot_be_reached_fails_aloud_and_nothing_is_lost(world: World) -> None:
    with pytest.raises(ConnectionRefusedError):
        await poll_abuse_mailbox(with_mailbox(world, "imap://a:b@127.0.0.1:1/INBOX"), {})
    with dovecot() as mailbox:
        wrong = mailbox.url.replace("mail%2Bpassword", "wrong")
        mailbox.deliver(plain("words"), "one")
        with pytest.raises(Exception, match=r"(?i)auth"):
            await poll_abuse_mailbox(with_mailbox(world, wrong), {})
        assert mailbox.count() == 1
    await poll_abuse_mailbox(world.instance, {})  # nothing is set: nothing happens
