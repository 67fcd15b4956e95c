"""Transparency for everybody: /transparency, with each published report as a page, as JSON, as CSV and as a signed zip.

What is published is frozen: the page is drawn from the very bytes that were signed. No rule stands here.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response import Response
from markupsafe import Markup

from parley.kit.errors import NotFound
from parley.kit.ids import parse_id
from parley.kit.signing import public_key_of
from parley.safety.transparency.reads import (
    get_backlog,
    get_log_head,
    get_published_report,
    list_published_reports,
)
from parley.safety.transparency.report import write_csv
from parley.safety.transparency.signing import key_pem, zip_signed
from parley.safety.transparency.views import Cell, Kind, PublishedReport, Report, Signed
from parley.web.assets import AssetsMissing, load_built
from parley.web.pages import environment, render
from parley.web.transparency_charts import draw_table
from parley.web.visits import AnyRequest, Visit, visit_of

_decoder = msgspec.json.Decoder(Report)


def read_report(contents: bytes) -> Report:
    """A published report out of its bytes."""
    return _decoder.decode(contents)


def show_cell(cell: Cell, kind: Kind) -> str:
    """A figure as people read it; a dash where there is none."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if kind == "percent":
        return f"{cell:.1%}"
    if kind == "hours":
        return hours_words(float(cell))
    return f"{cell:,}"


def hours_words(hours: float | None) -> str:
    """`42 min`, `3.5 h`, `2.1 days`."""
    if hours is None:
        return "–"
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def describe_report(report: Report) -> dict[str, Any]:
    """What the template of a report needs."""
    drawn = {table.key: draw_table(table) for table in report.tables}
    return {"report": report, "drawn": drawn, "show": show_cell}


def write_html(report: Report) -> str:
    """A report as one file that needs nothing else, for `parley transparency report --format html`."""
    try:
        style = "".join(file.body.decode() for file in load_built().values() if file.kind == "text/css")
    except AssetsMissing:
        style = ""
    return environment().get_template("report_file.html").render(**describe_report(report), style=Markup(style))  # noqa: S704


@get("/transparency")
async def show_transparency(request: AnyRequest) -> Response[str]:
    """What waits now, the newest report, and all that were published."""
    visit = await visit_of(request)
    async with visit.instance.db.read() as tx:
        published = await list_published_reports(tx, visit.viewer)
        backlog = await get_backlog(tx)
        head = await get_log_head(tx)
        newest = await get_published_report(tx, visit.viewer, published[0].id) if published else None
    return await _page(visit, newest, published=published, backlog=backlog, head=head)


@get("/transparency/{name:str}")
async def show_report(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """One report: `123`, `123.json`, `123.csv`, `123.zip`."""
    visit = await visit_of(request)
    number, _, form = name.partition(".")
    async with visit.instance.db.read() as tx:
        found = await get_published_report(tx, visit.viewer, parse_id(number))
    if form == "":
        return await _page(visit, found, published=[], backlog=None, head=None)
    stem = f"transparency-{found.from_day}-{found.until_day}"
    if form == "json":
        return _file(found.contents, "application/json", f"{stem}.json", found)
    if form == "csv":
        return _file(write_csv(read_report(found.contents)).encode(), "text/csv", f"{stem}.csv")
    if form == "zip":
        settings = visit.instance.settings
        signed = Signed(
            contents=found.contents,
            sha256=found.sha256,
            signature=found.signature,
            key=key_pem(public_key_of(settings)),
            fingerprint=found.key_fingerprint,
        )
        return _file(zip_signed(f"{stem}.json", signed, settings.local_domain), "application/zip", f"{stem}.zip")
    raise NotFound


async def _page(visit: Visit, found: PublishedReport | None, **values: Any) -> Response[str]:
    described = describe_report(read_report(found.contents)) if found else {"report": None}
    return await render(visit, "transparency.html", title="Transparency", found=found, **described, **values)


def _file(data: bytes, media_type: str, name: str, found: PublishedReport | None = None) -> Response[bytes]:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "public, max-age=3600",
    }
    if found is not None:
        headers |= {"Parley-Signature": b64encode(found.signature).decode(), "Parley-Key": found.key_fingerprint}
    return Response(data, media_type=media_type, headers=headers)


routes = [show_transparency, show_report]
