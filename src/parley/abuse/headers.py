"""What the header of a mail says: who wrote it, whether anybody vouches for that, whether a program did. Pure.

It is read first and alone: rates are counted before anything of the body is looked at.
"""

from __future__ import annotations

import re
from email import policy
from email.errors import HeaderParseError, MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses

import msgspec

from parley.abuse.authenticity import authenticated_domains
from parley.kit.mail import is_mail_address

MOST_HEADER_BYTES = 256 * 1024
MOST_LINE = 2000

HEADERS_END = re.compile(rb"\r?\n\r?\n")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_ADDRESS = re.compile(r"<([^<>\s()\",;]{3,320})>")
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_MACHINES = ("mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "bounce")


class Envelope(msgspec.Struct, frozen=True):
    """Who wrote a mail, as far as its header says. `authenticated`: domains for which our own relay vouches."""

    sender: str
    authenticated: frozenset[str]


def read_envelope(raw: bytes, *, relay: str = "") -> Envelope:
    """The header alone of a mail; costs the same however large the mail is."""
    end = HEADERS_END.search(raw, 0, MOST_HEADER_BYTES + 4)
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(
            raw[: end.end() if end else MOST_HEADER_BYTES], headersonly=True
        )
        return envelope_of(message, relay)
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        return Envelope("", frozenset())


def envelope_of(message: Message, relay: str) -> Envelope:
    """Who wrote it, and who vouches for that."""
    _, sender = one_address(header_of(message, "from"))
    vouched = authenticated_domains(headers_of(message, "authentication-results"), relay, from_domain(message))
    return Envelope(sender.lower(), vouched)


def header_of(message: Message, name: str) -> str:
    """The first header of that name in plain text; empty when there is none."""
    values = headers_of(message, name)
    return values[0] if values else ""


def headers_of(message: Message, name: str) -> list[str]:
    """Headers of that name in plain text, the topmost first; at most twenty."""
    return [decoded(str(value)) for value in (message.get_all(name) or [])[:20]]


def decoded(value: str) -> str:
    """A header's words in plain text, on one line."""
    value = value[: 4 * MOST_LINE]
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, ValueError, LookupError, UnicodeError):
        text = value
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:MOST_LINE]


def own_id_of(message: Message) -> str:
    """The Message-ID, with its brackets."""
    found = _MESSAGE_ID.search(header_of(message, "message-id"))
    return found[0] if found else ""


def mentioned_ids_of(message: Message) -> tuple[str, ...]:
    """Message-IDs in In-Reply-To and References."""
    named = " ".join((*headers_of(message, "in-reply-to"), *headers_of(message, "references")))
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(named)))[:50]


def _addresses(text: str) -> list[tuple[str, str]]:
    """Names and addresses of a header; only the addresses where the rest is too twisted to be read."""
    if text.count("(") < 20 and text.count('"') < 50:
        try:
            return getaddresses([text])[:50]
        except (RecursionError, ValueError, IndexError, TypeError):
            pass
    return [("", one) for one in _ADDRESS.findall(text)[:50]]


def one_address(text: str) -> tuple[str, str]:
    """The first name and address of a header."""
    found = [one for one in _addresses(text) if is_mail_address(one[1])]
    return found[0] if found else ("", "")


def wanted_answers(message: Message) -> str:
    """The address in Reply-To, when it is exactly one."""
    wanted = _addresses(header_of(message, "reply-to"))
    return wanted[0][1].lower() if len(wanted) == 1 and is_mail_address(wanted[0][1]) else ""


def from_domain(message: Message) -> str:
    """The domain of the only author; empty when there are several, which nobody vouches for."""
    headers = headers_of(message, "from")
    authors = _addresses(headers[0]) if len(headers) == 1 else []
    if len(authors) != 1 or not is_mail_address(authors[0][1]):
        return ""
    return authors[0][1].rpartition("@")[2].lower()


def automatic_kind(message: Message, sender: str) -> str:
    """Whether a program wrote it, as far as it says so (RFC 3834, section 2)."""
    said = header_of(message, "auto-submitted").lower().partition(";")[0].strip()
    if said.startswith("auto-repl") or said.startswith("auto-notif"):
        return "replied"
    if (
        header_of(message, "precedence").lower() in _BULK
        or headers_of(message, "x-autoreply")
        or headers_of(message, "list-id")
    ):
        return "replied"
    if (message.get("return-path") or "").strip() == "<>" or sender.lower().startswith(_MACHINES[:2]):
        return "replied"
    if (said and said != "no") or sender.lower().partition("@")[0].startswith(_MACHINES):
        return "generated"
    return ""


def is_bounce_report(message: Message) -> bool:
    """Whether it tells that a mail of ours was (not) delivered or read (RFC 3464, RFC 8098)."""
    if message.get_content_type() != "multipart/report":
        return False
    kind = str(message.get_param("report-type") or "").lower()
    return kind in ("delivery-status", "disposition-notification")
