"""The compliance page of a provider, behind its secret address: as a page, as JSON and as a signed zip. For outsiders.

Whoever holds the address sees it; there is nothing to sign in to. No rule stands here.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import NotFound
from parley.safety.notices.views import OUTCOME_WORDS
from parley.safety.transparency.compliance import get_compliance
from parley.safety.transparency.signing import zip_signed
from parley.safety.transparency.views import Signed
from parley.web.filters import trusted
from parley.web.pages import render
from parley.web.transparency import hours_words
from parley.web.transparency_charts import draw_days
from parley.web.visits import AnyRequest, visit_of

NAME = "compliance.json"


@get("/compliance/{token:str}")
async def show_compliance(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """Every URL that the provider named with its outcome, our times, and what waits; and the signed bytes of it all."""
    visit = await visit_of(request)
    view, signed = await get_compliance(visit.instance.db, visit.instance.settings, token)
    chart, series = draw_days("Open cases of the whole server", view.days)
    response = await render(
        visit,
        "compliance.html",
        title=f"Compliance: {view.provider}",
        view=view,
        words=OUTCOME_WORDS,
        hours=hours_words,
        chart_of_days=chart,
        series=series,
        signed=signed,
        signature=b64encode(signed.signature).decode(),
        # Made by us, with every sign escaped that could end the element around it: see canonical.py.
        statement=trusted(signed.contents.decode()),
        keep=False,
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@get("/compliance/{token:str}/{name:str}")
async def show_compliance_file(request: AnyRequest, token: FromPath[str], name: FromPath[str]) -> Response[Any]:
    """`compliance.json`, the very bytes that are signed (their signature is in the headers), or `compliance.zip`."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    _, signed = await get_compliance(visit.instance.db, settings, token)
    if name == NAME:
        return _file(signed.contents, "application/json", signed)
    if name == "compliance.zip":
        return _file(zip_signed(NAME, signed, settings.local_domain), "application/zip", signed)
    raise NotFound


def _file(data: bytes, media_type: str, signed: Signed) -> Response[bytes]:
    headers = {
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "private, no-store",
        "Parley-Signature": b64encode(signed.signature).decode(),
        "Parley-Key": signed.fingerprint,
    }
    return Response(data, media_type=media_type, headers=headers)


routes = [show_compliance, show_compliance_file]
