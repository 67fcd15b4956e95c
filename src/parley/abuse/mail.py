"""What a mail says: ARF (RFC 5965), XARF inside or attached, or words with URLs. Pure; reads hostile bytes.

A mail that cannot be taken apart is still kept and read by people: only what would cost too much to look at is refused.
Nothing that is packed is unpacked, nothing in HTML is run or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser

import msgspec

from parley.abuse.authenticity import authenticated_domains
from parley.abuse.headers import (
    HEADERS_END,
    MOST_HEADER_BYTES,
    automatic_kind,
    decoded,
    from_domain,
    header_of,
    headers_of,
    is_bounce_report,
    mentioned_ids_of,
    one_address,
    own_id_of,
    wanted_answers,
)
from parley.abuse.reading import LONGEST, Understood, is_report, read_report
from parley.kit.cleaning import plain_text
from parley.kit.errors import BadRequest, Invalid
from parley.safety.notices.urls import Hosts, find_urls

MOST_BYTES = 25 * 2**20
MOST_NESTED = 30
MOST_PARTS = 300
MOST_TEXT = 1_000_000
MOST_URLS = 500

_NESTED = re.compile(rb"^content-type:[ \t]*(?:\r?\n[ \t]+)?(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)
_REFERENCE = re.compile(
    r"\[([A-Za-z][A-Za-z _-]{0,30}[:#=]\s?[^\]\s][^\]]{0,100})\]|\[(#?[A-Z0-9][A-Z0-9._:/-]{4,60})\]|"
    r"((?:AbuseID|Abuse-ID|Case|Ticket|Ref|Reference)[:#]\s?[A-Za-z0-9][A-Za-z0-9._:/-]{2,60})",
)
_INLINE = re.compile(r'"(?:xarf_version|ReporterInfo)"')


class Refused(Exception):
    """A mail that is not taken; `code` and `text` are the answer to whoever delivers it."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code} {text}")


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as far as we understand it. `authenticated`: domains for which our own relay vouches."""

    sender: str
    sender_name: str
    reply_to: str
    """Where the sender wants answers, when that is another address."""
    subject: str
    message_id: str
    mentioned_ids: tuple[str, ...]
    """Message-IDs in In-Reply-To and References."""
    automatic: str
    """Empty for people; `generated` for programs that start something, `replied` for those that answer."""
    is_bounce: bool
    authenticated: frozenset[str]
    understood: Understood


def check_raw(raw: bytes) -> None:
    """Refuse what would cost too much to take apart. Raises Refused."""
    if len(raw) > MOST_BYTES:
        raise Refused(552, f"5.3.4 Message too big: at most {MOST_BYTES // 2**20} MiB are taken")
    end = HEADERS_END.search(raw, 0, MOST_HEADER_BYTES + 4)
    if end is None and len(raw) > MOST_HEADER_BYTES:
        raise Refused(554, f"5.6.0 The header is longer than {MOST_HEADER_BYTES // 1024} KiB")
    if sum(1 for _ in _first(_NESTED.finditer(raw), MOST_NESTED + 1)) > MOST_NESTED:
        raise Refused(554, f"5.6.0 More than {MOST_NESTED} parts stand inside each other: send the report plainly")


def _first(found: Iterator[re.Match[bytes]], most: int) -> Iterator[re.Match[bytes]]:
    for _, match in zip(range(most), found, strict=False):
        yield match


def read_mail(raw: bytes, hosts: Hosts, *, relay: str = "") -> Mail:
    """What a mail says. `relay`: the name by which our own mail server signs its Authentication-Results.

    Raises Refused for what is too large or too deep; everything else is read as far as it can be.
    """
    check_raw(raw)
    try:
        return _read(BytesParser(policy=policy.compat32).parsebytes(raw), raw, hosts, relay)
    except _UNREADABLE:
        return _read(Message(), raw, hosts, relay)


_UNREADABLE = (
    *(MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError, MemoryError),
)
"""What the library raises over mails that are none: such a mail is read as mere bytes."""


def _read(message: Message, raw: bytes, hosts: Hosts, relay: str) -> Mail:
    sender_name, sender = one_address(header_of(message, "from"))
    subject = header_of(message, "subject")
    understood = _understand(list(_parts(message)), subject, raw, hosts)
    return Mail(
        sender=sender.lower(),
        sender_name=sender_name[:300],
        reply_to=wanted_answers(message),
        subject=subject,
        message_id=own_id_of(message),
        mentioned_ids=mentioned_ids_of(message),
        automatic=automatic_kind(message, sender),
        is_bounce=is_bounce_report(message),
        authenticated=authenticated_domains(headers_of(message, "authentication-results"), relay, from_domain(message)),
        understood=understood,
    )


# ---- Parts ----------------------------------------------------------------------------------------------------------


class _Part(msgspec.Struct, frozen=True):
    """A part that holds text: its type, and its text as far as we read it."""

    kind: str
    name: str
    text: str
    message: Message
    depth: int


def _parts(message: Message) -> Iterator[_Part]:
    """The parts that hold text, outermost first; at most MOST_PARTS are looked at, in all MOST_TEXT characters."""
    waiting, seen, left = [(message, 0)], 0, 4 * MOST_TEXT
    while waiting and seen < MOST_PARTS and left > 0:
        part, depth = waiting.pop(0)
        seen += 1
        kind = part.get_content_type()
        payload = part.get_payload()
        if isinstance(payload, list):
            waiting += [(inner, depth + 1) for inner in payload if isinstance(inner, Message)]
            if kind != "message/feedback-report":
                continue
        name = str(part.get_filename() or "").lower()
        is_json = "json" in kind or name.endswith(".json")
        if kind.startswith(("text/", "message/feedback-report")) or is_json:
            text = _text_of(part, kind)[: min(MOST_TEXT, left)]
            left -= len(text)
            yield _Part("application/json" if is_json else kind, name, text, part, depth)


def _text_of(part: Message, kind: str) -> str:
    if kind == "message/feedback-report":
        return _feedback_text(part)
    try:
        body = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AssertionError, MessageError):
        body = None
    if not isinstance(body, bytes):
        return ""
    body = body[: 4 * MOST_TEXT]
    charset = str(part.get_content_charset("utf-8") or "utf-8")
    try:
        text = body.decode(charset, "replace")
    except (LookupError, ValueError, UnicodeError):
        text = body.decode("utf-8", "replace")
    if kind == "text/html":
        text = html_text(text[:MOST_TEXT])
    return text.replace("\x00", "")


def html_text(html: str) -> str:
    """The words of HTML, and the addresses of its links: nothing of it is run, and nothing fetched."""
    links = _HREF.findall(html)[:MOST_URLS]
    visible = _UNSEEN.sub(" ", html)
    # Elements go first: a cleaner takes very long over a hundred thousand of them inside each other.
    words = plain_text(_ELEMENT.sub(" ", _LINE_ENDS.sub("\n", visible)))
    lines = (" ".join(line.split()) for line in words.splitlines())
    return "\n".join([*(line for line in lines if line), *dict.fromkeys(links)])


_HREF = re.compile(r"href\s{0,5}=\s{0,5}[\"']?(h[^\s\"'<>]{4,2000})", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style|template)\b[^<]*(?:<(?!/\1)[^<]*)*(?:</\1[^<>]*>|\Z)", re.IGNORECASE)
_LINE_ENDS = re.compile(r"</?(?:div|tr|h[1-6]|td|p|li|blockquote|pre|table)\b[^<>]*>|<br[^<>]*>", re.IGNORECASE)
_ELEMENT = re.compile(r"<[/!?a-z][^<>]*>", re.IGNORECASE)


def _feedback_text(part: Message) -> str:
    """The fields of a feedback report as lines; the parser takes them for the header of a message inside."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload and isinstance(payload[0], Message) else None
    if inner is None:
        return payload if isinstance(payload, str) else ""
    return "\n".join(f"{name}: {decoded(str(value))}" for name, value in inner.items()[:200])


# ---- Meaning --------------------------------------------------------------------------------------------------------


def _understand(parts: list[_Part], subject: str, raw: bytes, hosts: Hosts) -> Understood:
    for part in parts:
        report = _report_in(part, hosts)
        if report is not None:
            return _with_reference(report, subject, parts)
    feedback = next((part for part in parts if part.kind == "message/feedback-report"), None)
    if feedback is not None:
        return _with_reference(_read_feedback(feedback, parts, hosts), subject, parts)
    words = _words(parts)
    found = find_urls("\n".join([subject, *(part.text for part in parts)]), hosts, limit=MOST_URLS)
    if not parts and not found:
        # Nothing could be taken apart: addresses are looked for in the bytes as they are.
        found = find_urls(raw[: 4 * MOST_TEXT].decode("utf-8", "replace"), hosts, limit=MOST_URLS)
    return _with_reference(Understood(format="mail", urls=tuple(found), statement=words[:LONGEST]), subject, parts)


def _words(parts: list[_Part]) -> str:
    """What the mail says: its plain text, else its HTML as text."""
    for kind in ("text/plain", "text/html"):
        texts = [part.text.strip() for part in parts if part.kind == kind and part.depth <= 2 and part.text.strip()]
        if texts:
            return "\n\n".join(texts)
    return ""


def _report_in(part: _Part, hosts: Hosts) -> Understood | None:
    """A XARF report that stands in a part: the whole part, or somewhere in its words."""
    if part.kind not in ("application/json", "text/plain", "text/html"):
        return None
    text = part.text.strip()
    begin = 0 if text.startswith("{") else _begin_of_report(text)
    if begin is None:
        return None
    data = _decode_object(text[begin:])
    if not isinstance(data, dict) or not is_report(data):
        return None
    try:
        return read_report(data, hosts)
    except (Invalid, BadRequest):
        return None


def _begin_of_report(text: str) -> int | None:
    named = _INLINE.search(text)
    if named is None:
        return None
    begin = text.rfind("{", 0, named.start())
    return begin if begin >= 0 else None


def _decode_object(text: str) -> object:
    """The JSON object at the beginning of a text, whatever stands behind it."""
    import json

    try:
        decoded, _ = json.JSONDecoder().raw_decode(text[:MOST_TEXT])
    except (ValueError, RecursionError):
        return None
    return decoded


def _read_feedback(feedback: _Part, parts: list[_Part], hosts: Hosts) -> Understood:
    """An ARF report (RFC 5965): what it is about stands in Reported-URI, else in the words and the mail inside."""
    fields: dict[str, list[str]] = {}
    for line in feedback.text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), []).append(value.strip())
    urls = [value for value in fields.get("reported-uri", []) if value]
    if not urls:
        urls = find_urls("\n".join(part.text for part in parts), hosts, limit=MOST_URLS)
    kinds = [value.lower() for value in fields.get("feedback-type", [])]
    return Understood(
        format="arf",
        urls=tuple(dict.fromkeys(urls))[:MOST_URLS],
        harms=tuple(f"feedback:{kind}" for kind in kinds),
        statement=_words(parts)[:LONGEST],
        reference=next(iter(fields.get("abuse-id", []) or fields.get("reference", [])), ""),
    )


def _with_reference(understood: Understood, subject: str, parts: list[_Part]) -> Understood:
    """With the sender's own reference: that of the report, else of the subject, else of the words."""
    named = reference_in(subject) or understood.reference or reference_in(_words(parts)[:4000])
    statement = understood.statement or _words(parts)[:LONGEST]
    harms = understood.harms or tuple(f"harm:{one}" for one in _HARM_WORDS.findall(f"{subject}\n{statement}")[:10])
    return msgspec.structs.replace(understood, reference=named, statement=statement, harms=harms)


_HARM_WORDS = re.compile(r"\bharm:\s?([a-z][a-z_-]{2,40})\b", re.IGNORECASE)


def reference_in(text: str) -> str:
    """`AbuseID:4D71F2:1A` of `Abuse report [AbuseID:4D71F2:1A]`; empty when there is none."""
    found = _REFERENCE.search(text)
    return next((one for one in found.groups() if one), "") if found else ""
