"""A member takes everything away, or brings it along: /settings/export and /settings/import.

Every file is handed out to its owner alone, never kept by anybody in between, and always as a download. Who may ask is
decided by the archives room and, for those whom moderators have shut out, in limits.py.
"""

from __future__ import annotations

import re
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response, Stream

from parley.kit.errors import Invalid, NotFound, ParleyError
from parley.kit.ids import parse_id
from parley.kit.uploads import Upload, receive_form
from parley.social.archives import formats
from parley.social.archives.actions import note_lost_archive, request_archive
from parley.social.archives.container import is_tar
from parley.social.archives.exporting import export_file
from parley.social.archives.importing import (
    begin_archive_import,
    begin_import,
    cancel_import,
    confirm_import,
    count_unnamed,
)
from parley.social.archives.reads import (
    ARCHIVE_EVERY,
    ARCHIVE_KEPT,
    get_import,
    get_ready_archive,
    list_archives,
    list_failures,
    list_imports,
    next_archive_at,
)
from parley.social.archives.views import KINDS, VISIBILITIES, ImportView
from parley.social.graph.archiving import count_graph
from parley.social.statuses.archiving import count_own
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, check_form_token, read_form, visit_of

MIB = 2**20
SHOWN_AGAIN = (409, 413, 422, 429)
SHOWN_FAILURES = 20
WORDS = {
    "public": "Public posts",
    "unlisted": "Unlisted posts",
    "private": "Posts for followers: your followers here can read them",
    "direct": "Messages: here only you can read them",
}
_RANGE = re.compile(r"bytes=(\d{1,18})-")
_ZIP = b"PK"


# ---- taking away -----------------------------------------------------------------------------------


@get("/settings/export")
async def show_export(request: AnyRequest) -> Response[str]:
    """What can be taken away, and how far the archive is."""
    return await _export_page(request)


async def _export_page(request: AnyRequest, *, error: ParleyError | None = None, alias: str = "") -> Response[str]:
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        archives = await list_archives(tx, viewer)
        graph = await count_graph(tx, viewer)
        own = await count_own(tx, viewer)
    counts = {
        "following": graph.following,
        "lists": graph.lists,
        "blocking": graph.blocks,
        "muting": graph.mutes,
        "domain_blocking": graph.domains,
        "bookmarks": own.bookmarks,
    }
    return await render(
        visit,
        "settings_export.html",
        code=error.status if error else 200,
        title="Export",
        said=error.text if error else "",
        files=[(name, KINDS[kind], counts.get(kind)) for kind, name in formats.FILES.items()],
        archives=archives,
        waiting=any(one.state in ("waiting", "writing") for one in archives),
        again=next_archive_at(archives),
        own=own,
        every=ARCHIVE_EVERY.days,
        kept=ARCHIVE_KEPT.days,
        alias=alias,
        size_words=size_words,
    )


def size_words(size: int | None) -> str:
    """Bytes for people."""
    if size is None:
        return ""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{max(1, size // 1024)} KiB"


@get("/settings/export/files/{name:str}")
async def download_file(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """One of the files that Mastodon reads too, made at once."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    kind = next((kind for kind, file in formats.FILES.items() if file == name), None)
    if kind is None:
        raise NotFound
    media_type = "application/json" if name.endswith(".json") else "text/csv; charset=utf-8"
    return Stream(export_file(visit.instance, viewer, kind), headers=_download(name), media_type=media_type)


@post("/settings/export/archive")
async def ask_for_archive(request: AnyRequest) -> Response[str]:
    """Have a whole archive made."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    alias = str(form.get("alias", ""))
    try:
        async with visit.instance.db.write() as tx:
            await request_archive(tx, viewer, alias=alias)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _export_page(request, error=error, alias=alias[:300])
    return redirect(visit, "/settings/export", "archive")


@get("/settings/export/archives/{archive_id:str}")
async def download_archive(request: AnyRequest, archive_id: FromPath[str]) -> Response[Any]:
    """The whole archive, to its owner alone; a download that broke off goes on where it was (RFC 9110, section 14)."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        archive = await get_ready_archive(tx, viewer, parse_id(archive_id))
    size, file = archive.size or 0, archive.file or ""
    headers = _download(f"archive-{viewer.username}-{archive.created_at:%Y%m%d}.zip")
    headers |= {"Accept-Ranges": "bytes", "ETag": f'"{archive.sha256}"'}
    start = _start_of(request, size, headers["ETag"])
    try:
        content = await visit.instance.files.archives.read(file, start=start)
    except NotFound:
        async with visit.instance.db.write() as tx:
            await note_lost_archive(tx, viewer, archive.id)
        raise NotFound("This archive is not here any more. Ask for a new one.") from None
    headers["Content-Length"] = str(size - start)
    if start:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return Stream(content, status_code=206 if start else 200, headers=headers, media_type="application/zip")


def _start_of(request: AnyRequest, size: int, etag: str) -> int:
    """Where a download goes on; anything but `bytes=N-` of this very file is ignored, as RFC 9110 allows."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if found is None or (condition is not None and condition.strip() != etag):
        return 0
    start = int(found[1])
    return start if start < size else 0


def _download(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


# ---- bringing along --------------------------------------------------------------------------------


@get("/settings/import")
async def show_import(request: AnyRequest) -> Response[str]:
    """What can be brought along, and what was."""
    return await _import_page(request)


async def _import_page(request: AnyRequest, *, error: ParleyError | None = None) -> Response[str]:
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        imports = await list_imports(tx, viewer)
    return await render(
        visit,
        "settings_import.html",
        code=error.status if error else 200,
        title="Import",
        said=error.text if error else "",
        kinds=[(kind, KINDS[kind]) for kind in formats.FILES],
        files=formats.FILES,
        imports=imports,
        largest=size_words(visit.instance.settings.max_archive_mb * MIB),
    )


@post("/settings/import", opt={"reads_own_form": True}, request_max_body_size=None)
async def send_file(request: AnyRequest) -> Response[str]:
    """Read a file of Mastodon's kind; nothing of it is done yet."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with receive_form(request, lambda name, head: formats.MOST_BYTES, most=formats.MOST_BYTES + MIB) as form:
        check_form_token(visit, form.fields.get("csrf", ""))
        try:
            upload = _needed(form.files.get("file"))
            content = upload.path.read_bytes()
            kind = form.fields.get("kind") or formats.guess_kind("", content) or ""
            made = await begin_import(visit.instance, viewer, kind, content, mode=form.fields.get("mode", "merge"))
        except ParleyError as error:
            if error.status not in SHOWN_AGAIN:
                raise
            return await _import_page(request, error=error)
    return redirect(visit, f"/settings/import/{made.id}")


@post("/settings/import/archive", opt={"reads_own_form": True}, request_max_body_size=None)
async def send_archive(request: AnyRequest) -> Response[str]:
    """Take in an archive of the member's own; a job reads it, and nothing of it is done yet."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    limit = visit.instance.settings.max_archive_mb * MIB
    try:
        async with receive_form(request, lambda name, head: _archive_limit(head, limit), most=limit + MIB) as form:
            check_form_token(visit, form.fields.get("csrf", ""))
            made = await begin_archive_import(visit.instance, viewer, _needed(form.files.get("file")).path)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _import_page(request, error=error)
    return redirect(visit, f"/settings/import/{made.id}")


def _archive_limit(head: bytes, limit: int) -> int:
    if not limit:
        raise Invalid("This server takes no archives.")
    if head[:2] != _ZIP and not is_tar(head):
        raise Invalid("This is not an archive: send the .zip or .tar.gz file that the other server gave you.")
    return limit


def _needed(upload: Upload | None) -> Upload:
    if upload is None or not upload.size:
        raise Invalid("Choose a file first.")
    return upload


@get("/settings/import/{import_id:str}")
async def show_one_import(request: AnyRequest, import_id: FromPath[str]) -> Response[str]:
    """What a file holds before it is taken, and how far it is afterwards."""
    return await _one_import_page(request, parse_id(import_id))


async def _one_import_page(request: AnyRequest, import_id: int, *, error: ParleyError | None = None) -> Response[str]:
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        found = await get_import(tx, viewer, import_id)
        unnamed = await count_unnamed(tx, visit.instance.settings, viewer, found)
        failures = await list_failures(tx, viewer, import_id, limit=SHOWN_FAILURES)
    return await render(
        visit,
        "settings_import_one.html",
        code=error.status if error else 200,
        title=f"Import: {found.kind_words}",
        said=error.text if error else "",
        one=found,
        unnamed=unnamed,
        failures=[(_row_words(found, row.data), row.reason or "") for row in failures],
        has_file=found.kind != "archive",
        visibilities=[(name, WORDS[name]) for name in VISIBILITIES],
    )


def _row_words(found: ImportView, data: dict[str, Any]) -> str:
    """What a row is about, in a few words."""
    if found.kind == "archive":
        words = str(data.get("text") or data.get("source") or "")
    else:
        words = ", ".join(str(data[name]) for name in ("title", "address", "uri", "domain") if data.get(name))
    return words if len(words) <= 120 else f"{words[:119]}…"


@post("/settings/import/{import_id:str}/confirm")
async def take_import(request: AnyRequest, import_id: FromPath[str]) -> Response[str]:
    """Let it be taken as its owner says."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    wanted = [name for name in VISIBILITIES if form.get(f"visibility_{name}")]
    try:
        async with visit.instance.db.write() as tx:
            made = await confirm_import(
                tx, viewer, parse_id(import_id), mode=str(form.get("mode", "merge")), visibilities=wanted
            )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _one_import_page(request, parse_id(import_id), error=error)
    return redirect(visit, f"/settings/import/{made.id}", "importing")


@post("/settings/import/{import_id:str}/cancel")
async def drop_import(request: AnyRequest, import_id: FromPath[str]) -> Response[str]:
    """Drop it, or stop it: what it has done stays."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    await cancel_import(visit.instance, viewer, parse_id(import_id))
    return redirect(visit, "/settings/import", "import-dropped")


@get("/settings/import/{import_id:str}/failures")
async def download_failures(request: AnyRequest, import_id: FromPath[str]) -> Response[Any]:
    """The rows that could not be taken, in the format in which they came."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        found = await get_import(tx, viewer, parse_id(import_id))
        if found.kind == "archive":
            raise NotFound
        rows = await list_failures(tx, viewer, found.id)
    body = formats.failures_file(found.kind, [row.data for row in rows])
    name = formats.FILES[found.kind].replace(".", "-failures.")
    media_type = "application/json" if name.endswith(".json") else "text/csv; charset=utf-8"
    return Response(body, headers=_download(name), media_type=media_type)


routes = [
    show_export,
    download_file,
    ask_for_archive,
    download_archive,
    show_import,
    send_file,
    send_archive,
    show_one_import,
    take_import,
    drop_import,
    download_failures,
]
