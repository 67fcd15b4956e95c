"""A draft of a report to NCMEC's CyberTipline, in the XML of its reporting API. Pure; sends nothing.

Source: https://report.cybertip.org/ispws/documentation/ (elements and their order; children out of order are refused).
Only what is known is in it, and a person must look at it: NCMEC wants a judgement of the material that no program
should make. Submitting takes credentials that NCMEC gives to providers, and uploads each file on its own; Parley does
neither.

The schema itself is given out to those with credentials alone (GET /xsd). What its documentation says of the elements
that stand here is checked by `check_report` before a draft is packed: names, order, how often, types and lengths.
"""

from __future__ import annotations

import ipaddress
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from parley.kit.clock import iso
from parley.kit.errors import Invalid
from parley.kit.mail import is_mail_address
from parley.kit.settings import Settings
from parley.safety.evidence.law_views import Packable
from parley.social.accounts.views import AccountView
from parley.social.sessions.for_evidence import Subscriber

INCIDENT = "Child Pornography (possession, manufacture, and distribution)"
"""One of the types that the documentation lists; change it where another fits."""
MOST_INFO = 3000
MOST_NAME = 256
INCIDENTS = frozenset(
    {
        INCIDENT,
        "Child Sex Trafficking",
        "Child Sex Tourism",
        "Child Sexual Molestation",
        "Misleading Domain Name",
        "Misleading Words or Digital Images on the Internet",
        "Online Enticement of Children for Sexual Acts",
        "Unsolicited Obscene Material Sent to a Child",
    }
)
EVENTS = frozenset({"Login", "Registration", "Purchase", "Upload", "Other", "Unknown"})
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


class _Rule(msgspec.Struct, frozen=True):
    """An element inside another: how often it may stand there, and what its text must be (None: it holds elements)."""

    name: str
    least: int = 0
    most: int = 1
    holds: Callable[[str], bool] | None = None


def _text(most: int) -> Callable[[str], bool]:
    return lambda text: bool(text.strip()) and len(text) <= most


def _is_moment(text: str) -> bool:
    return _MOMENT.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


ANY = 10_000
SCHEMA: dict[str, tuple[_Rule, ...]] = {
    "report": (
        _Rule("incidentSummary", 1),
        _Rule("internetDetails", 0, ANY),
        _Rule("reporter", 1),
        _Rule("personOrUserReported"),
        _Rule("additionalInfo", holds=_text(MOST_INFO)),
    ),
    "incidentSummary": (
        _Rule("incidentType", 1, holds=lambda text: text in INCIDENTS),
        _Rule("incidentDateTime", 1, holds=_is_moment),
    ),
    "internetDetails": (_Rule("webPageIncident", 1),),
    "webPageIncident": (_Rule("url", 0, ANY, lambda text: text.startswith(("http://", "https://"))),),
    "reporter": (_Rule("reportingPerson", 1),),
    "reportingPerson": (_Rule("email", 0, ANY, is_mail_address),),
    "personOrUserReported": (
        _Rule("personOrUserReportedPerson"),
        _Rule("espIdentifier", holds=_text(MOST_NAME)),
        _Rule("espService", holds=_text(100)),
        _Rule("screenName", holds=_text(MOST_NAME)),
        _Rule("displayName", 0, ANY, _text(MOST_NAME)),
        _Rule("profileUrl", 0, ANY, lambda text: text.startswith(("http://", "https://"))),
        _Rule("ipCaptureEvent", 0, ANY),
    ),
    "personOrUserReportedPerson": (_Rule("email", 0, ANY, is_mail_address),),
    "ipCaptureEvent": (
        _Rule("ipAddress", 1, holds=_is_address),
        _Rule("eventName", holds=lambda text: text in EVENTS),
        _Rule("dateTime", holds=_is_moment),
    ),
}
"""The part of the documented schema that drafts use: each element with what stands in it, in order."""


def check_report(root: ElementTree.Element) -> list[str]:
    """What is wrong with a draft by the documented schema, in sentences; empty: nothing."""
    return _check(root, "report") if root.tag == "report" else [f"It begins with {root.tag}, not with report."]


def _check(element: ElementTree.Element, where: str) -> list[str]:
    wrong, rules = [], SCHEMA[element.tag]
    names = [rule.name for rule in rules]
    found = [child.tag for child in element]
    wrong += [f"{where}: {tag} does not belong there." for tag in dict.fromkeys(found) if tag not in names]
    known = [tag for tag in found if tag in names]
    if known != sorted(known, key=names.index):
        wrong.append(f"{where}: its elements must stand in this order: {', '.join(names)}.")
    for rule in rules:
        children = [child for child in element if child.tag == rule.name]
        if not rule.least <= len(children) <= rule.most:
            wrong.append(f"{where}: {rule.name} stands there {len(children)} times.")
        for child in children:
            if rule.holds is None:
                wrong += _check(child, f"{where}/{rule.name}")
            elif len(child) or not rule.holds(child.text or ""):
                wrong.append(f"{where}: {rule.name} cannot be {(child.text or '')[:60]!r}.")
    return wrong


def draft_report(
    settings: Settings,
    account: AccountView,
    subscriber: Subscriber | None,
    *,
    incident_at: datetime,
    urls: Sequence[str],
    files: Sequence[Packable],
) -> bytes:
    """The `report` document with which a submission begins. Raises Invalid for one that NCMEC would refuse."""
    report = ElementTree.Element("report")
    summary = _child(report, "incidentSummary")
    _child(summary, "incidentType", INCIDENT)
    _child(summary, "incidentDateTime", iso(incident_at))
    if urls:
        page = _child(_child(report, "internetDetails"), "webPageIncident")
        for url in urls:
            _child(page, "url", url)
    reporter = _child(report, "reporter")
    _child(_child(reporter, "reportingPerson"), "email", settings.contact_email or settings.sender)
    person = _child(report, "personOrUserReported")
    if subscriber is not None:
        _child(_child(person, "personOrUserReportedPerson"), "email", subscriber.email)
    _child(person, "espIdentifier", str(account.id))
    _child(person, "espService", settings.name[:100])
    _child(person, "screenName", account.acct[:MOST_NAME])
    if account.display_name.strip():
        _child(person, "displayName", account.display_name[:MOST_NAME])
    _child(person, "profileUrl", f"{settings.base_url}/@{account.acct}")
    for sign_in in subscriber.sign_ins if subscriber else ():
        if sign_in.address and _is_address(sign_in.address):
            event = _child(person, "ipCaptureEvent")
            _child(event, "ipAddress", sign_in.address)
            _child(event, "eventName", "Login")
            _child(event, "dateTime", iso(sign_in.created_at))
    told = "\n".join(f"{one.path}  SHA-256 {one.sha256}" for one in files)
    _child(report, "additionalInfo", f"Files of this package:\n{told}"[:MOST_INFO])
    if wrong := check_report(report):
        raise Invalid(f"The draft for NCMEC is not as its schema says, so nothing was packed: {' '.join(wrong)}")
    ElementTree.indent(report)
    comment = ElementTree.Comment(
        " A draft that nobody has sent: look at it, choose the incident type, submit it to NCMEC with your own access. "
    )
    text = ElementTree.tostring(report, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(comment, "unicode")}\n{text}\n'.encode()


def _child(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, name)
    if text is not None:
        made.text = "".join(one for one in text if one in "\n\t" or (one >= " " and one not in "\ufffe\uffff"))
    return made
