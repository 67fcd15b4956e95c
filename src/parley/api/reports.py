"""Tell the moderators: https://docs.joinmastodon.org/methods/reports/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post

from parley.api.access import need_viewer
from parley.api.entities.reports import report_entity
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, parse
from parley.kit.ids import parse_id
from parley.safety.cases.reports import file_report
from parley.safety.cases.views import NewReport


class ReportForm(msgspec.Struct):
    """A report as clients send it; `account_id` is required."""

    account_id: str
    status_ids: list[str] = []
    comment: str = ""
    forward: bool = False
    category: str | None = None
    rule_ids: list[str] = []
    collection_ids: list[str] = []


@post("/api/v1/reports", scope="write:reports", status_code=200)
async def create_report(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """File a report. Several posts go into `status_ids`; collections of accounts do not exist here."""
    form = await parse(request, ReportForm)
    if form.collection_ids:
        raise Invalid(
            "Validation failed: this server has no collections, so none can be reported. Leave collection_ids out; "
            "name the posts in status_ids, all of them in one report."
        )
    instance = instance_of(request)
    new = NewReport(
        account_id=parse_id(form.account_id),
        status_ids=tuple(parse_id(text) for text in form.status_ids),
        comment=form.comment,
        category=form.category or None,
        rule_ids=tuple(form.rule_ids),
        forward=form.forward,
    )
    async with instance.db.write() as tx:
        view = await file_report(tx, instance.settings, need_viewer(request), new)
    return report_entity(view, instance.settings)


routes = [create_report]
