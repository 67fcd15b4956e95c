"""A draft of a report to NCMEC's CyberTipline, in the XML of its reporting API. Pure; sends nothing.

Source: https://report.cybertip.org/ispws/documentation/ (elements and their order; children out of order are refused).
Only what is known is in it, and a person must look at it: NCMEC wants a judgement of the material that no program
should make. Submitting takes credentials that NCMEC gives to providers, and uploads each file on its own; Parley does
neither.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from datetime import datetime

from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.safety.evidence.law_views import Packable
from parley.social.accounts.views import AccountView
from parley.social.sessions.for_evidence import Subscriber

INCIDENT = "Child Pornography (possession, manufacture, and distribution)"
"""One of the types that the documentation lists; change it where another fits."""
MOST_INFO = 3000


def draft_report(
    settings: Settings,
    account: AccountView,
    subscriber: Subscriber | None,
    *,
    incident_at: datetime,
    urls: Sequence[str],
    files: Sequence[Packable],
) -> bytes:
    """The `report` document with which a submission begins."""
    report = ElementTree.Element("report")
    summary = _child(report, "incidentSummary")
    _child(summary, "incidentType", INCIDENT)
    _child(summary, "incidentDateTime", iso(incident_at))
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
    _child(person, "screenName", account.acct[:256])
    if account.display_name:
        _child(person, "displayName", account.display_name)
    _child(person, "profileUrl", f"{settings.base_url}/@{account.acct}")
    for sign_in in subscriber.sign_ins if subscriber else ():
        if sign_in.address:
            event = _child(person, "ipCaptureEvent")
            _child(event, "ipAddress", sign_in.address)
            _child(event, "eventName", "Login")
            _child(event, "dateTime", iso(sign_in.created_at))
    told = "\n".join(f"{one.path}  SHA-256 {one.sha256}" for one in files)
    _child(report, "additionalInfo", f"Files of this package:\n{told}"[:MOST_INFO])
    ElementTree.indent(report)
    comment = ElementTree.Comment(
        " A draft that nobody has sent: look at it, choose the incident type, submit it to NCMEC with your own access. "
    )
    text = ElementTree.tostring(report, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(comment, "unicode")}\n{text}\n'.encode()


def _child(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, name)
    if text is not None:
        made.text = "".join(one for one in text if one in "\n\t" or one >= " ")
    return made
