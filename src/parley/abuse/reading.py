"""What a report says, whoever wrote it in whatever shape: XARF 4, XARF 3, or plain JSON. Pure, and lenient.

A report that a schema would refuse is still a report: what is missing becomes a warning for its sender. Sources:
https://xarf.org/docs/specification/ (version 4.2), https://github.com/abusix/xarf (version 3).
"""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from parley.kit.errors import BadRequest, Invalid
from parley.safety.cases.views import Source
from parley.safety.notices.urls import Hosts, find_urls

SOURCES: dict[str, Source] = {
    "host": "provider_notice",
    "app_store": "provider_notice",
    "authority": "authority_order",
    "trusted_flagger": "trusted_flagger",
}
"""What a notice of each kind of provider is for the desk."""

MOST_DEPTH = 8
MOST_FOUND = 2000
MOST_TEXT = 1_000_000
LONGEST = 20_000
MOST_WARNINGS = 10

URL_KEYS = frozenset(
    [
        "url",
        "urls",
        "uri",
        "uris",
        "link",
        "links",
        "infringing_url",
        "infringing_urls",
        "content_url",
        "content_urls",
        "source_url",
        "source_urls",
        "reported_url",
        "reported_urls",
        "reported_uri",
        "additional_urls",
        "affected_urls",
        "offending_urls",
    ]
)
"""Fields that name what is reported; `original_url` of a copyright report, for one, is not."""

HARM_KEYS = frozenset(
    ["tag", "tags", "harm", "harms", "reason", "reasons", "violation", "violation_type", "abuse_type"]
)
REFERENCE_KEYS = [
    "reference",
    "external_reference",
    "case_id",
    "caseid",
    "ticket",
    "ticket_id",
    "abuse_id",
    "abuseid",
    "report_id",
    "reportid",
    "id",
]
STATEMENT_KEYS = ["description", "statement", "explanation", "text", "comment", "attackdescription", "notes", "message"]
SKIPPED = frozenset({"evidence", "_internal", "reporter", "sender", "reporterinfo", "attachment", "samples"})


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says. `warnings` are sentences for whoever sent it."""

    format: str
    urls: tuple[str, ...] = ()
    harms: tuple[str, ...] = ()
    statement: str = ""
    reference: str = ""
    reporter_name: str = ""
    reporter_mail: str = ""
    order_kind: str | None = None
    basis: str = ""
    language: str = ""
    warnings: tuple[str, ...] = ()


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; raises BadRequest with what is wrong."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(
            'The body is not valid JSON. Send one JSON object: XARF 4, XARF 3, or {"urls": [...]}.'
        ) from error
    if not isinstance(decoded, dict):
        raise BadRequest("The body must be one JSON object. Send each report in a request of its own.")
    return decoded


def is_report(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object that came with a mail is a report, and not something else."""
    names = {str(name).lower() for name in data}
    return "xarf_version" in names or {"reporterinfo", "report"} <= names or bool(names & {"url", "urls"})


def read_report(data: Mapping[str, Any], hosts: Hosts) -> Understood:
    """A report in any of the shapes that we take. Raises Invalid when nothing can be made of it."""
    if "xarf_version" in data:
        return _read_xarf4(data, hosts)
    if isinstance(data.get("Report"), Mapping) or isinstance(data.get("ReporterInfo"), Mapping):
        return _read_xarf3(data, hosts)
    return _read_plain(data, hosts)


def _read_plain(data: Mapping[str, Any], hosts: Hosts) -> Understood:
    understood = _gather(data, "json", hosts)
    if not understood.urls:
        raise Invalid(
            "No URL was found. Name what you report in `urls`, as a list of the exact addresses, or send a XARF report."
        )
    return understood


def _read_xarf4(data: Mapping[str, Any], hosts: Hosts) -> Understood:
    kind = f"{_text(data.get('category'))}/{_text(data.get('type'))}".strip("/")
    understood = _gather(data, "xarf4", hosts, more_harms=(kind,) if "/" in kind else ())
    contact = data.get("reporter")
    said = contact if isinstance(contact, Mapping) else {}
    return msgspec.structs.replace(
        understood,
        reporter_name=_text(said.get("org")),
        reporter_mail=_text(said.get("contact")),
        warnings=_check_xarf(data),
    )


def _read_xarf3(data: Mapping[str, Any], hosts: Hosts) -> Understood:
    inner = data.get("Report")
    report: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    who = data.get("ReporterInfo")
    said: Mapping[str, Any] = who if isinstance(who, Mapping) else {}
    harms = [f"{_text(report.get('ReportClass'))}/{_text(report.get('ReportType'))}".lower()]
    problems: tuple[str, ...] = ()
    converted = _convert_xarf3(data)
    if converted is not None:
        harms.insert(0, f"{converted.get('category')}/{converted.get('type')}")
        problems = _check_xarf(converted)
    understood = _gather(data, "xarf3", hosts, more_harms=harms)
    return msgspec.structs.replace(
        understood,
        reporter_name=_text(said.get("ReporterOrg")),
        reporter_mail=_text(said.get("ReporterContactEmail") or said.get("ReporterOrgEmail")),
        warnings=problems,
    )


def _convert_xarf3(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same as XARF 4 by the format's own library; None for what it does not know."""
    from xarf import XARFError, convert_v3_to_v4, is_v3_report

    plain = dict(data)
    if not is_v3_report(plain):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_v3_to_v4(plain)
    except (XARFError, AttributeError, TypeError, ValueError, KeyError):
        return None


def _check_xarf(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What the format's own library finds wrong, as sentences. Nothing of it keeps a report from being taken."""
    if _has_long_text(data):
        return ("A field is longer than we check; the report was taken as it is.",)
    from xarf import XARFError, parse

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = parse(dict(data))
    except (XARFError, AttributeError, TypeError, ValueError, KeyError, RecursionError) as error:
        return (f"This is not quite XARF ({type(error).__name__}); it was taken as it is.",)
    said = [f"{one.field}: {one.message}"[:300] for one in result.errors]
    return tuple(said[:MOST_WARNINGS])


def _has_long_text(data: Mapping[str, Any]) -> bool:
    return any(isinstance(one, str) and len(one) > LONGEST for _, one in _walk(data, skip=("payload", "Data")))


def _gather(data: Mapping[str, Any], format: str, hosts: Hosts, *, more_harms: Sequence[str] = ()) -> Understood:
    urls: dict[str, None] = {}
    harms: dict[str, None] = dict.fromkeys(one for one in more_harms if one.strip("/"))
    texts: list[str] = []
    references: dict[str, str] = {}
    for name, value in _walk(data, skip=SKIPPED):
        key = name.lower()
        text = _text(value)
        if not text:
            continue
        if key in URL_KEYS:
            urls[text] = None
        elif key in HARM_KEYS:
            harms[text] = None
        elif key in REFERENCE_KEYS:
            references.setdefault(key, text)
        elif key in STATEMENT_KEYS:
            texts.append(text)
        elif key == "source_identifier" and "/" in text:
            urls[text] = None
    statement = "\n\n".join(dict.fromkeys(texts))[:LONGEST]
    if not urls:
        urls = dict.fromkeys(find_urls(f"{statement}\n{_evidence_text(data)}", hosts))
    order = _text(data.get("order")).lower()
    return Understood(
        format=format,
        urls=tuple(urls)[:MOST_FOUND],
        harms=tuple(harms),
        statement=statement,
        reference=next((references[key] for key in REFERENCE_KEYS if key in references), ""),
        reporter_name=_text(data.get("reporter_name")),
        reporter_mail=_text(data.get("reporter_mail") or data.get("reporter_email")),
        order_kind=order if order in ("removal", "preservation") else None,
        basis=_text(data.get("basis") or data.get("legal_basis")),
        language=_text(data.get("language"))[:20],
    )


def _walk(data: Any, *, skip: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every plain value with the name of its field, as deep as anybody writes."""
    if depth > MOST_DEPTH:
        return
    if isinstance(data, Mapping):
        for key, value in data.items():
            if str(key).lower() not in skip and str(key) not in skip:
                yield from _walk(value, skip=skip, name=str(key), depth=depth + 1)
    elif isinstance(data, list):
        for value in data[:MOST_FOUND]:
            yield from _walk(value, skip=skip, name=name, depth=depth + 1)
    else:
        yield name, data


def _evidence_text(data: Mapping[str, Any]) -> str:
    """The words of the evidence that is text: there a report may name its URLs alone."""
    found: list[str] = []
    inner = data.get("Report")
    report = inner if isinstance(inner, Mapping) else {}
    for one in (*_items(data.get("evidence")), *_items(report.get("Attachment")), *_items(report.get("Samples"))):
        kind = _text(one.get("content_type") or one.get("ContentType")).lower()
        payload = one.get("payload") or one.get("Data")
        if isinstance(payload, str) and kind.startswith(("text/", "message/", "application/json")):
            found.append(_unpack(payload[:MOST_TEXT]))
    return "\n".join(found)[:MOST_TEXT]


def _unpack(payload: str) -> str:
    try:
        return base64.b64decode(payload, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return payload


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value[:50] if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:LONGEST].replace("\x00", "").strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
