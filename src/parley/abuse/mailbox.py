"""Reads abuse mail from a mailbox by IMAP, where the setting `abuse_imap` names one: once a minute, in a thread.

A mail is moved to the folder `Parley` below the mailbox when it was taken, and to `Parley refused` when it cannot be: a
mailbox never hides what nobody has read.
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from parley.abuse.mail import MOST_BYTES, Refused
from parley.kit.instance import Instance
from parley.kit.settings import LOOPBACK

log = logging.getLogger(__name__)

TAKEN, REFUSED = "Parley", "Parley refused"
MOST_AT_ONCE = 20
MOST_TRIED = 200
"""Mails of one run: what could not be taken now stays, and is tried again in the next."""
SECONDS = 30.0


class Fetched(msgspec.Struct, frozen=True):
    """A mail in the mailbox. `raw` None: it is too large to be fetched."""

    uid: str
    raw: bytes | None


async def poll_abuse_mailbox(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, each minute: take every mail out of the mailbox. Does nothing where no mailbox is set."""
    url = instance.settings.abuse_imap
    if not url:
        return
    tried: set[str] = set()
    while len(tried) < MOST_TRIED:
        instance.gate.check()  # what is read here is moved there
        fetched = await asyncio.to_thread(_fetch, url, frozenset(tried))
        if not fetched:
            return
        tried |= {one.uid for one in fetched}
        places = {}
        for one in fetched:
            places[one.uid] = await _take(instance, one)
        await asyncio.to_thread(_move, url, {uid: place for uid, place in places.items() if place})


async def _take(instance: Instance, one: Fetched) -> str:
    """The folder to which a mail goes; empty: it stays, and is tried again."""
    if one.raw is None:
        log.warning("a mail in the abuse mailbox is larger than %s bytes and was not read", MOST_BYTES)
        return REFUSED
    from parley.abuse.intake import take_mail  # here: what it needs takes memory that most instances never use

    try:
        await take_mail(instance, one.raw)
    except Refused as error:
        log.warning("a mail in the abuse mailbox was not taken: %s", error.text)
        return "" if error.code < 500 else REFUSED
    except Exception:
        log.exception("a mail of %s bytes in the abuse mailbox could not be filed; it is tried again", len(one.raw))
        return ""
    return TAKEN


def _open(url: str) -> tuple[Any, str]:
    """The open mailbox and the separator of its folders."""
    from imap_tools import MailBox, MailBoxStartTls, MailBoxUnencrypted

    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    folder = unquote(parts.path.lstrip("/")) or "INBOX"
    context = ssl.create_default_context()
    if parts.scheme == "imaps":
        box: Any = MailBox(host, parts.port or 993, timeout=SECONDS, ssl_context=context)
    elif host in (*LOOPBACK, "::1"):
        box = MailBoxUnencrypted(host, parts.port or 143, timeout=SECONDS)
    else:
        box = MailBoxStartTls(host, parts.port or 143, timeout=SECONDS, ssl_context=context)
    return box.login(unquote(parts.username or ""), unquote(parts.password or ""), initial_folder=folder), folder


def _fetch(url: str, tried: frozenset[str]) -> list[Fetched]:
    """Some mails that were not tried in this run: the oldest and the newest, so that a host's notice does not wait
    behind a thousand mails of strangers, of which only so many are taken in an hour."""
    box, _ = _open(url)
    with box:
        left = [uid for uid in box.uids("ALL") if uid not in tried]
        half = MOST_AT_ONCE // 2
        uids = dict.fromkeys([*left[:half], *left[-half:]])
        return [Fetched(uid, _raw_of(box, uid)) for uid in uids]


def _raw_of(box: Any, uid: str) -> bytes | None:
    """The very bytes of a mail; its size is asked for first."""
    kind, said = box.client.uid("fetch", uid, "(RFC822.SIZE)")
    size = _size_in(said) if kind == "OK" else 0
    if size > MOST_BYTES:
        return None
    kind, said = box.client.uid("fetch", uid, "(BODY.PEEK[])")
    bodies = [part[1] for part in said or () if isinstance(part, tuple) and isinstance(part[1], bytes)]
    if kind != "OK" or not bodies:
        raise imaplib.IMAP4.error(f"mail {uid} could not be fetched")
    body: bytes = bodies[0]
    return body


def _size_in(said: Any) -> int:
    for part in said or ():
        text = part if isinstance(part, bytes) else part[0] if isinstance(part, tuple) else b""
        words = text.replace(b")", b" ").split()
        if b"RFC822.SIZE" in words:
            return int(words[words.index(b"RFC822.SIZE") + 1])
    return 0


def _move(url: str, places: dict[str, str]) -> None:
    if not places:
        return
    box, folder = _open(url)
    with box:
        known = {one.name: one.delim for one in box.folder.list()}
        separator = known.get(folder) or next(iter(known.values()), "/")
        for place in dict.fromkeys(places.values()):
            target = f"{folder}{separator}{place}" if folder != "INBOX" else place
            if not box.folder.exists(target):
                box.folder.create(target)
            box.move([uid for uid, to in places.items() if to == place], target)
