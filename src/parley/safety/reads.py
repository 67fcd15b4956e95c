"""What may be seen of reports: by the staff alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from parley.kit.db import Tx
from parley.safety import store
from parley.safety.reports import present_report
from parley.safety.views import ReportView
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer


async def list_told_reports(
    tx: Tx, viewer: Viewer, details: Iterable[Mapping[str, Any] | None]
) -> dict[int, ReportView]:
    """The reports that details of notifications name (`report_id`), by id; none for whoever is not staff.

    No query when none is named, two otherwise.
    """
    ids = list({int(detail["report_id"]) for detail in details if detail and detail.get("report_id")})
    if not ids or not viewer.is_staff:
        return {}
    rows = await store.list_reports(tx, ids)
    targets = await get_account_views(tx, list({row.target_account_id for row in rows}))
    return {
        row.id: present_report(row, targets[row.target_account_id]) for row in rows if row.target_account_id in targets
    }
