"""Mails as hosts and hostile people write them, as bytes."""

from __future__ import annotations

import base64
import json
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import make_msgid
from typing import Any

ABUSE = "abuse@localhost"


def plain(
    text: str, *, sender: str = "Host <abuse@host.example>", subject: str = "Abuse report", **headers: str
) -> bytes:
    """A mail of plain words."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ABUSE, subject
    mail["Message-ID"] = headers.pop("message_id", make_msgid(domain="host.example"))
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return bytes(mail)


def html(body: str, *, sender: str = "Host <abuse@host.example>") -> bytes:
    """A mail that is HTML alone."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = sender, ABUSE, "HTML", make_msgid()
    mail.set_content(body, subtype="html")
    return bytes(mail)


def arf(urls: list[str], *, kind: str = "abuse", sender: str = "Host <fbl@host.example>") -> bytes:
    """A report in the Abuse Reporting Format (RFC 5965)."""
    mail = MIMEMultipart("report", report_type="feedback-report")
    mail["From"], mail["To"], mail["Subject"] = sender, ABUSE, "FW: complaint [AbuseID:4D71F2:1A]"
    mail["Message-ID"] = make_msgid(domain="host.example")
    mail.attach(MIMEText("This is a complaint about content on your service."))
    feedback = MIMENonMultipart("message", "feedback-report")
    lines = [f"Feedback-Type: {kind}", "User-Agent: Test/1.0", "Version: 1", *(f"Reported-URI: {url}" for url in urls)]
    feedback.set_payload("\r\n".join(lines) + "\r\n")
    mail.attach(feedback)
    inside = EmailMessage()
    inside["From"], inside["Subject"] = "somebody@elsewhere.example", "The mail itself"
    inside.set_content("words")
    mail.attach(MIMEMessage(inside))
    return mail.as_bytes()


def xarf_attached(report: dict[str, Any], *, sender: str = "Host <abuse@host.example>") -> bytes:
    """A XARF report as an attachment, in base64, as it is sent by mail."""
    mail = MIMEMultipart("mixed")
    mail["From"], mail["To"], mail["Subject"] = sender, ABUSE, "XARF report [Ticket#2026-77]"
    mail["Message-ID"], mail["X-XARF"] = make_msgid(domain="host.example"), "PLAIN"
    mail.attach(MIMEText("A machine wrote this; the report is attached."))
    part = MIMEApplication(json.dumps(report).encode(), "json", name="xarf.json")
    part["Content-Disposition"] = 'attachment; filename="xarf.json"'
    mail.attach(part)
    return mail.as_bytes()


def nested(depth: int, text: str) -> bytes:
    """Parts inside parts inside parts."""
    head = f"From: Eve <eve@bad.example>\r\nTo: {ABUSE}\r\nSubject: deep\r\nMIME-Version: 1.0\r\n".encode()
    body = [f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n'.encode() for n in range(depth)]
    return head + b"".join(body) + b"Content-Type: text/plain\r\n\r\n" + text.encode() + b"\r\n"


def zip_bomb(url: str) -> bytes:
    """A small archive that unfolds to a gigabyte, attached to a mail."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 50_000_000)
    mail = MIMEMultipart("mixed")
    mail["From"], mail["To"], mail["Subject"] = "Eve <eve@bad.example>", ABUSE, "see the archive"
    mail["Message-ID"] = make_msgid(domain="bad.example")
    mail.attach(MIMEText(f"About {url}"))
    part = MIMEApplication(packed.getvalue(), "zip")
    part["Content-Disposition"] = 'attachment; filename="bomb.zip"'
    mail.attach(part)
    return mail.as_bytes()


def broken(url: str) -> list[bytes]:
    """Mails that are no mails, or hardly."""
    head = f"From: Eve <eve@bad.example>\r\nTo: {ABUSE}\r\nSubject: broken\r\n".encode()
    words = f"see {url} please\r\n".encode()
    return [
        head + b'Content-Type: multipart/mixed; boundary=""\r\n\r\n' + words,
        head + b"Content-Type: multipart/mixed\r\n\r\n" + words,
        head + b"Content-Type: text/plain; charset=klingon\r\n\r\n" + words,
        head + b"Content-Type: text/plain; charset*=utf-8''%ff%fe\r\n\r\n" + words,
        head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(words)[:-3] + b"\x00\xff***",
        head + b"Content-Transfer-Encoding: x-unknown\r\n\r\n" + words,
        head + b"Content-Type: message/rfc822\r\n\r\n" + words,
        head + b'Content-Type: ;;;="\r\nFrom: twice@bad.example\r\n\r\n' + words,
        b"Subject: =?utf-8?b?" + b"A" * 4001 + b"?=\r\nFrom: =?x?q?\xff?= <eve@bad.example>\r\n\r\n" + words,
        b"\xff\xfe\x00no header at all " + words,
        words,
        head + b"\r\n" + words + b"\x00" * 500 + b"\xf0\x9f",
        head.replace(b"Eve <eve@bad.example>", b"(((((" * 2000 + b" eve@bad.example") + b"\r\n" + words,
        b"From: " + b'"' * 5000 + b" <eve@bad.example>\r\n\r\n" + words,
    ]
