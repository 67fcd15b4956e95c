"""Takes abuse mail by SMTP or LMTP, in the worker, where the setting `abuse_listen` says so.

It takes mail for the abuse address alone, says clearly what it does not take, and answers 250 only when a mail is kept
and filed. It relays nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from parley import __version__
from parley.abuse.intake import take_mail
from parley.abuse.mail import MOST_BYTES, Refused
from parley.kit.instance import Instance

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 40
MOST_COMMANDS = {"*": 50, "NOOP": 20, "RSET": 100, "MAIL": 200, "RCPT": 400, "DATA": 200, "EHLO": 10, "LHLO": 10}
IDLE_SECONDS = 120
MOST_LINE = 64 * 1024
"""Bytes of a line. RFC 5321 has 1,000; programs that write reports often do not know that."""
DRAINED = 2 * MOST_BYTES
"""Bytes that a client may go on sending of a mail that is too large, before the connection is cut."""

MOST_HELD = 4 * MOST_BYTES
"""Bytes of unfinished mails of all connections together: whoever sends more is told to come back later."""


class Handler:
    """What happens at each step of a conversation."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.open = 0
        self.held = 0

    def wanted(self) -> frozenset[str]:
        """Addresses for which mail is taken: the abuse address, and the postmaster of RFC 5321, section 4.5.1."""
        ours = self.instance.settings.abuse_mail
        return frozenset({ours, "postmaster", f"postmaster@{ours.rpartition('@')[2]}"})

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse everybody else's mail."""
        plain = address.lower().partition("+")[0] + ("@" + address.lower().rpartition("@")[2] if "+" in address else "")
        if address.lower() not in self.wanted() and plain not in self.wanted():
            return f"550 5.1.1 Only mail to {self.instance.settings.abuse_mail} is taken here"
        if len(envelope.rcpt_tos) >= 10:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Take the mail, and say what became of it."""
        raw = envelope.original_content or b""
        try:
            taken = await take_mail(self.instance, raw, null_sender=not (envelope.mail_from or "").strip("<> "))
        except Refused as error:
            answer = f"{error.code} {error.text}"
        except Exception:
            log.exception("a mail of %s bytes could not be filed", len(raw))
            answer = "451 4.3.0 It cannot be filed right now: try again later"
        else:
            answer = f"250 2.0.0 Filed as {taken.notice_id}" if taken.notice_id else "250 2.0.0 Seen"
        if isinstance(server, LMTP):
            return "\r\n".join([answer] * len(envelope.rcpt_tos))
        return answer

    async def handle_exception(self, error: Exception) -> str:
        """What the library could not handle is no reason to lose the mail: it is sent again."""
        log.warning("a conversation failed (%s)", error)
        return "451 4.3.0 Something went wrong here: try again later"


class _Bounded:
    """Mixed into a server: cuts the connection of whoever goes on and on. What is too large was refused long before."""

    _drained = 0
    _counted = False

    def connection_made(self, transport: Any) -> None:
        """Count the connection; one too many is told to come back later. STARTTLS calls this again."""
        if not self._counted:
            handler: Handler = self.event_handler  # type: ignore[attr-defined]
            if handler.open >= MOST_CONNECTIONS:
                transport.write(b"421 4.3.2 Too many connections: try again later\r\n")
                transport.close()
                return
            handler.open += 1
            self._counted = True
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        if self._counted:
            self.event_handler.open -= 1  # type: ignore[attr-defined]
            self._counted = False
            self._forget()
            super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """Count what comes in since the last mail."""
        if not self._counted:
            return
        handler: Handler = self.event_handler  # type: ignore[attr-defined]
        self._drained += len(data)
        handler.held += len(data)
        if self._drained > DRAINED or handler.held > MOST_HELD:
            transport: Any = getattr(self, "transport", None)
            if transport is not None:
                large = self._drained > DRAINED
                transport.write(b"552 5.3.4 Message too big\r\n" if large else b"421 4.3.2 Try again later\r\n")
                transport.close()
            return
        super().data_received(data)  # type: ignore[misc]

    def _forget(self) -> None:
        self.event_handler.held -= self._drained  # type: ignore[attr-defined]
        self._drained = 0

    def _set_post_data_state(self) -> None:
        self._forget()
        super()._set_post_data_state()  # type: ignore[misc]


class _SMTP(_Bounded, SMTP):
    line_length_limit = MOST_LINE


class _LMTP(_Bounded, LMTP):
    line_length_limit = MOST_LINE


@asynccontextmanager
async def listening(instance: Instance) -> AsyncIterator[list[Any]]:
    """Listen where the settings say, for as long as the block lasts; yields the sockets' addresses (none: not set)."""
    settings = instance.settings
    if not settings.abuse_listen:
        yield []
        return
    address = urlsplit(settings.abuse_listen)
    handler = Handler(instance)
    context = _tls_context(settings.abuse_certificate)
    kind = _LMTP if address.scheme == "lmtp" else _SMTP

    def make() -> Any:
        return kind(
            handler,
            data_size_limit=MOST_BYTES,
            enable_SMTPUTF8=True,
            hostname=settings.local_domain.split(":")[0],
            ident=f"Parley {__version__}",
            tls_context=context,
            timeout=IDLE_SECONDS,
            command_call_limit=MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    if address.scheme == "lmtp" and not address.hostname:
        await asyncio.to_thread(Path(address.path).unlink, missing_ok=True)
        server: asyncio.AbstractServer = await loop.create_unix_server(make, address.path)
    else:
        server = await loop.create_server(make, address.hostname, address.port or 0)
    log.info("abuse mail: listening at %s", settings.abuse_listen)
    try:
        yield [socket.getsockname() for socket in getattr(server, "sockets", ())]
    finally:
        server.close()


def _tls_context(certificate: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
