"""Files that were kept as evidence, for the staff who may see their case: what was removed or deleted since.

The page that shows them has written down that somebody looked. Nothing here is ever served to anybody else.
"""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.params import FromPath
from litestar.response import Response, Stream

from parley.kit.errors import NotFound
from parley.kit.files import is_file_name
from parley.kit.ids import parse_id
from parley.safety.cases.reads import check_may_see_case
from parley.safety.evidence.actions import get_kept_file
from parley.social.media.formats import FORMATS
from parley.web.desk_frame import need_staff
from parley.web.visits import AnyRequest, visit_of

TYPES = {one.extension: one.mime_type for one in FORMATS.values()}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Disposition": "inline",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


@get("/desk/cases/{case_id:str}/files/{first:str}/{second:str}/{name:str}")
async def show_kept_file(
    request: AnyRequest, case_id: FromPath[str], first: FromPath[str], second: FromPath[str], name: FromPath[str]
) -> Response[Any]:
    """The copy of a file as it was when it came into the case; its type is that of its own content."""
    visit = await visit_of(request)
    viewer, file = need_staff(visit), f"{first}/{second}/{name}"
    if not is_file_name(file):
        raise NotFound
    async with visit.instance.db.read() as tx:
        await check_may_see_case(tx, viewer, parse_id(case_id))
        kept = await get_kept_file(tx, viewer, parse_id(case_id), file)
    content = await visit.instance.files.evidence.read(kept.kept_as)
    media_type = TYPES.get(kept.kept_as.rpartition(".")[2], "application/octet-stream")
    headers = {**HEADERS, "Content-Length": str(kept.size_bytes)}
    return Stream(content, headers=headers, media_type=media_type)


def kept_address(case_id: int, file: str) -> str:
    """Where the staff see the copy of a file (by its public name) that was captured for a case."""
    return f"/desk/cases/{case_id}/files/{file}"


routes = [show_kept_file]
