"""The file that goes with an answer by mail, in the format in which its provider reports. Pure.

Every answer carries `answer.json` and its signature; besides, a provider whose programs read XARF or ARF gets the same
in those words. XARF has no type for answers: its envelope is used, with the fields in which hosts exchange states.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from parley import __version__
from parley.kit.clock import iso
from parley.kit.mail import Attached
from parley.kit.settings import Settings
from parley.safety.notices.states import reason_of
from parley.safety.notices.views import LedgerLine, NoticeView, ResponseView

XARF_4 = "4.2.0"


def attach_format(
    settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine], response: ResponseView
) -> list[Attached]:
    """What a provider of that format gets besides; nothing for those who read mail, and for strangers."""
    wanted = notice.provider.format if notice.provider is not None else "mail"
    if wanted == "arf":
        return [Attached("feedback-report.txt", "text/plain", _feedback(notice, lines, response).encode())]
    if wanted in ("xarf3", "xarf4"):
        write = _xarf3 if wanted == "xarf3" else _xarf4
        told = write(settings, notice, lines, response)
        return [Attached("xarf.json", "application/json", json.dumps(told, ensure_ascii=False, indent=1).encode())]
    return []


def _states(lines: Sequence[LedgerLine]) -> list[dict[str, Any]]:
    return [
        {
            "url": line.url,
            "outcome": line.outcome,
            "rule": line.clause,
            "first_action_at": iso(line.first_action_at) if line.first_action_at else None,
            "resolved_at": iso(line.resolved_at) if line.resolved_at else None,
        }
        for line in lines
    ]


def _xarf4(
    settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine], response: ResponseView
) -> dict[str, Any]:
    return {
        "xarf_version": XARF_4,
        "report_id": notice.reference,
        "timestamp": iso(response.created_at),
        "reporter": {"org": settings.name, "contact": settings.abuse_mail, "domain": settings.local_domain},
        "status": "COMPLETED",
        "reason": reason_of([line.outcome for line in lines]),
        "response_id": f"{notice.id}-{response.number}",
        "urls": _states(lines),
    }


def _xarf3(
    settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine], response: ResponseView
) -> dict[str, Any]:
    return {
        "Version": "3",
        "ReporterInfo": {
            "ReporterOrg": settings.name,
            "ReporterOrgDomain": settings.local_domain,
            "ReporterOrgEmail": settings.abuse_mail,
        },
        "Disclosure": True,
        "Response": {
            "ReportID": notice.reference,
            "ResponseID": f"{notice.id}-{response.number}",
            "Date": iso(response.created_at),
            "Status": "COMPLETED",
            "Reason": reason_of([line.outcome for line in lines]),
            "Urls": _states(lines),
        },
    }


def _feedback(notice: NoticeView, lines: Sequence[LedgerLine], response: ResponseView) -> str:
    """The fields of a feedback report (RFC 5965, section 3): each URL as it was reported, then what became of it."""
    said = [
        "Feedback-Type: other",
        f"User-Agent: Parley/{__version__}",
        "Version: 1",
        f"Arrival-Date: {iso(notice.received_at)}",
        f"Source-Reference: {_line(notice.reference)}",
        f"Response-Id: {notice.id}-{response.number}",
    ]
    for line in lines:
        said += [f"Reported-URI: {_line(line.url)}", f"URI-Outcome: {line.outcome}"]
    return "\r\n".join(said) + "\r\n"


def _line(text: str) -> str:
    return " ".join(text.split())
