"""Sends mail over SMTP, or writes it into `<data_dir>/mail` when no server is set. Only jobs call it.

`smtp://[user:password@]host[:port]` uses STARTTLS when the server offers it, and refuses to go on without it
when credentials are given; `smtps://` is TLS from the start. Certificates are checked, unless the server is
this machine itself.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from parley.kit.clock import now
from parley.kit.errors import Invalid
from parley.kit.gate import check_out
from parley.kit.settings import LOOPBACK, Settings

TIMEOUT = 30.0
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def is_mail_address(text: str) -> bool:
    """Whether `text` is one plain address, as HTML's `type=email` accepts it: fit for headers and SMTP."""
    if not _ADDRESS.fullmatch(text):
        return False
    local = text.rpartition("@")[0]
    return not (local.startswith(".") or local.endswith(".") or ".." in local)


@dataclass(frozen=True)
class Attached:
    """A file that goes with a mail. `kind` is its content type."""

    name: str
    kind: str
    body: bytes


def write_mail(
    settings: Settings,
    to: str,
    subject: str,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    files: Sequence[Attached] = (),
) -> EmailMessage:
    """The message with its headers; no line break can pass into them. Raises Invalid when `to` is no address.

    `headers` come in addition, or in place of what would stand there (`Message-ID`, `In-Reply-To`, `Reply-To` ...).
    """
    if not is_mail_address(to):
        raise Invalid("This is not an e-mail address.", detail=f"mail to {to!r}")
    message = EmailMessage(policy=SMTP)
    sender_user, _, sender_domain = settings.sender.rpartition("@")
    message["From"] = Address(_one_line(settings.name), sender_user, sender_domain)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _one_line(subject)
    message["Date"] = format_datetime(now())
    message["Message-ID"] = make_msgid(domain=sender_domain)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    for name, value in (headers or {}).items():
        del message[name]
        message[name] = _one_line(value)
    message.set_content(text)
    for file in files:
        maintype, _, subtype = file.kind.partition("/")
        message.add_attachment(file.body, maintype=maintype, subtype=subtype, filename=file.name)
    return message


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


async def send_mail(
    settings: Settings,
    to: str,
    subject: str,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    files: Sequence[Attached] = (),
) -> None:
    """Send one plain-text mail; raises the SMTP library's error when it is not taken, and GateClosed on a host that may
    not speak for the instance: the job tries again."""
    message = write_mail(settings, to, subject, text, headers={**(headers or {}), **check_out(settings)}, files=files)
    if not settings.mail:
        await asyncio.to_thread(_keep, settings.path("mail"), message)
        return
    import aiosmtplib

    server = urlsplit(settings.mail)
    host = server.hostname or "localhost"
    username = unquote(server.username) if server.username else None
    direct_tls = server.scheme == "smtps"
    start_tls: bool | None = None
    if direct_tls:
        start_tls = False
    elif username is not None:
        start_tls = True
    await aiosmtplib.send(
        message,
        hostname=host,
        port=server.port or (465 if direct_tls else 587 if username else 25),
        username=username,
        password=unquote(server.password) if server.password else None,
        use_tls=direct_tls,
        start_tls=start_tls,
        validate_certs=host not in (*LOOPBACK, "::1"),
        local_hostname=settings.local_domain.rsplit(":", 1)[0],
        timeout=TIMEOUT,
    )


def _keep(folder: Path, message: EmailMessage) -> None:
    """Write the mail as a file that its owner alone can read: it may hold a link that signs in."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}.eml"
    draft = folder / f".{name}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(bytes(message))
    draft.rename(folder / name)
