"""The moderators' pages of law: requests of authorities, legal holds, and what is handed out.

Who may do what, and when, `safety/evidence` says. The page shows what authorities wrote as plain text.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import anyio
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response, Stream

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound, ParleyError
from parley.kit.files import scratch_folder
from parley.kit.ids import parse_id
from parley.safety.evidence.holding import activate_hold, list_holds, place_hold, release_hold, renew_hold
from parley.safety.evidence.law_views import (
    Audience,
    Held,
    HeldType,
    HoldKind,
    NewDisclosure,
    NewHold,
    NewPackage,
    NewRequest,
    RequestKind,
)
from parley.safety.evidence.packing import pack_evidence
from parley.safety.evidence.requests import (
    decide_disclosure,
    end_request,
    list_disclosures,
    list_requests,
    propose_disclosure,
    register_request,
)
from parley.safety.evidence.states import RequestState
from parley.safety.log.checkpoints import list_checkpoints
from parley.social.accounts.reads import get_account_by_address, get_account_views
from parley.social.accounts.views import Viewer
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (403, 404, 409, 422, 429)
REQUEST_WORDS = {
    "removal_order": "Removal order",
    "preservation": "Preserve",
    "disclosure": "Hand out",
    "emergency": "Emergency",
}
HOLD_WORDS = {
    "preservation": "An authority asked for it",
    "cybertip": "Reported to NCMEC",
    "litigation": "A dispute before a court",
    "own": "Our own reason",
}
AUDIENCE_WORDS = {"host": "a host", "court": "a court", "ncmec": "NCMEC"}
CHUNK = 2**18

Form = dict[str, str]


@get("/desk/legal")
async def show_legal(request: AnyRequest) -> Response[str]:
    """What law asks for: what waits first, and the forms."""
    return await _page(await visit_of(request), everything=request.query_params.get("all") == "1")


async def _page(
    visit: Visit, *, said: str = "", code: int = 200, typed: Form | None = None, everything: bool = False
) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        requests = await list_requests(tx, viewer, ended=everything)
        holds = await list_holds(tx, viewer, ended=everything)
        disclosures = await list_disclosures(tx, viewer)
        heads = await list_checkpoints(tx, limit=1)
        named = {held.id for one in holds for held in one.subjects if held.type in ("account", "profile")}
        named |= {one.account_id for one in disclosures if one.account_id is not None}
        accounts = await get_account_views(tx, named)
    return await render_desk(
        visit,
        "desk_legal.html",
        code=code,
        title="Legal",
        requests=requests,
        holds=holds,
        disclosures=[one for one in disclosures if everything or one.state in ("proposed", "approved")],
        head=heads[0] if heads else None,
        names={account_id: f"@{view.acct}" for account_id, view in accounts.items()},
        everything=everything,
        runs=viewer.runs_instance,
        own_id=viewer.account_id,
        four_eyes=visit.instance.settings.four_eyes,
        request_words=REQUEST_WORDS,
        hold_words=HOLD_WORDS,
        audience_words=AUDIENCE_WORDS,
        typed=typed or {},
        said=said,
    )


Action = Callable[[Tx, Visit, Viewer, Form], Awaitable[Any]]


async def _act(request: AnyRequest, action: Action) -> Response[str]:
    visit = await visit_of(request)
    viewer = need_staff(visit)
    typed = {name: str(value) for name, value in (await read_form(request)).items() if isinstance(value, str)}
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await action(tx, visit, viewer, typed)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status, typed=typed)
    return redirect(visit, "/desk/legal", "saved")


def _choice(text: str, kinds: Any, what: str) -> str:
    if text not in get_args(kinds):
        raise Invalid(f"Choose {what}.")
    return text


def _moment(text: str) -> datetime | None:
    """What a field for date and time sends, in UTC."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("Give the time as year-month-day, hour:minute.") from error


def _id(text: str) -> int | None:
    return parse_id(text.strip()) if text.strip() else None


async def _account(tx: Tx, visit: Visit, viewer: Viewer, text: str) -> int:
    return (await get_account_by_address(tx, viewer, text, visit.instance.settings)).id


@post("/desk/legal/requests")
async def register(request: AnyRequest) -> Response[str]:
    """Put a request on the register."""

    async def action(tx: Tx, _visit: Visit, viewer: Viewer, typed: Form) -> None:
        new = NewRequest(
            kind=cast(RequestKind, _choice(typed.get("kind", ""), RequestKind, "what they ask for")),
            authority=typed.get("authority", ""),
            reference=typed.get("reference", ""),
            basis=typed.get("basis", ""),
            statement=typed.get("statement", ""),
            received_at=_moment(typed.get("received_at", "")),
            due_at=_moment(typed.get("due_at", "")),
            case_id=_id(typed.get("case_id", "")),
        )
        await register_request(tx, viewer, new)

    return await _act(request, action)


@post("/desk/legal/requests/{request_id:str}/end")
async def end(request: AnyRequest, request_id: FromPath[str]) -> Response[str]:
    """Note what became of a request."""
    found = parse_id(request_id)

    async def action(tx: Tx, _visit: Visit, viewer: Viewer, typed: Form) -> None:
        state = cast(RequestState, _choice(typed.get("state", ""), RequestState, "what became of it"))
        await end_request(tx, viewer, found, state, answer=typed.get("answer", ""))

    return await _act(request, action)


@post("/desk/legal/holds")
async def hold(request: AnyRequest) -> Response[str]:
    """Place a hold, or ask for one. `subjects`: one a line, `@name`, `case 123`, `conversation 123`, `status 123`."""

    async def action(tx: Tx, visit: Visit, viewer: Viewer, typed: Form) -> None:
        lines = [line.strip() for line in typed.get("subjects", "").splitlines() if line.strip()]
        new = NewHold(
            subjects=[await _read_held(tx, visit, viewer, line) for line in lines],
            kind=cast(HoldKind, _choice(typed.get("hold_kind", ""), HoldKind, "why it is kept")),
            reason=typed.get("reason", ""),
            reference=typed.get("hold_reference", ""),
            request_id=_id(typed.get("request_id", "")),
            ends_at=_moment(typed.get("ends_at", "")),
        )
        await place_hold(tx, viewer, new)

    return await _act(request, action)


async def _read_held(tx: Tx, visit: Visit, viewer: Viewer, line: str) -> Held:
    kind, _, number = line.partition(" ")
    if kind in get_args(HeldType) and number.strip().isascii() and number.strip().isdigit():
        return Held(cast(HeldType, kind), parse_id(number.strip()))
    try:
        return Held("account", await _account(tx, visit, viewer, line))
    except NotFound as error:
        raise Invalid(
            f"Nothing is known as {line[:80]!r}: write @name, case 123, conversation 123 or status 123."
        ) from error


@post("/desk/legal/holds/{hold_id:str}/{step:str}")
async def act_on_hold(request: AnyRequest, hold_id: FromPath[str], step: FromPath[str]) -> Response[str]:
    """`activate`, `renew` or `release`."""
    found = parse_id(hold_id)
    if step not in ("activate", "renew", "release"):
        raise NotFound

    async def action(tx: Tx, _visit: Visit, viewer: Viewer, typed: Form) -> None:
        if step == "activate":
            await activate_hold(tx, viewer, found)
        elif step == "renew":
            await renew_hold(tx, viewer, found)
        else:
            await release_hold(tx, viewer, found, why=typed.get("why", ""))

    return await _act(request, action)


@post("/desk/legal/disclosures")
async def propose(request: AnyRequest) -> Response[str]:
    """Propose to hand something out."""

    async def action(tx: Tx, visit: Visit, viewer: Viewer, typed: Form) -> None:
        account = typed.get("account", "").strip()
        new = NewDisclosure(
            recipient=typed.get("recipient", ""),
            basis=typed.get("disclosure_basis", ""),
            what=typed.get("what", ""),
            request_id=_id(typed.get("for_request", "")),
            case_id=_id(typed.get("for_case", "")),
            account_id=await _account(tx, visit, viewer, account) if account else None,
            subscriber=bool(typed.get("subscriber")),
        )
        await propose_disclosure(tx, viewer, new)

    return await _act(request, action)


@post("/desk/legal/disclosures/{disclosure_id:str}/decide")
async def decide(request: AnyRequest, disclosure_id: FromPath[str]) -> Response[str]:
    """Let a disclosure go, or refuse it."""
    found = parse_id(disclosure_id)

    async def action(tx: Tx, visit: Visit, viewer: Viewer, typed: Form) -> None:
        approve = typed.get("answer") == "approve"
        await decide_disclosure(tx, visit.instance.settings, viewer, found, approve=approve)

    return await _act(request, action)


@post("/desk/legal/disclosures/{disclosure_id:str}/package")
async def make_package(request: AnyRequest, disclosure_id: FromPath[str]) -> Response[Any]:
    """Make the package of an approved disclosure, which is then on record as sent, and send it to this browser."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(disclosure_id)
    form = await read_form(request)
    folder = Path(tempfile.mkdtemp(prefix="package-", dir=scratch_folder(visit.instance.settings)))
    path = folder / "evidence.zip"
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
        audience = cast(Audience, _choice(str(form.get("audience", "host")), Audience, "who reads it"))
        await pack_evidence(visit.instance, viewer, NewPackage(disclosure_id=found, audience=audience), path)
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if not isinstance(error, ParleyError) or error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status)
    headers = {
        "Content-Disposition": f'attachment; filename="evidence-{found}.zip"',
        "Content-Length": str(path.stat().st_size),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Stream(_read_and_remove(path), media_type="application/zip", headers=headers)


async def _read_and_remove(path: Path) -> AsyncIterator[bytes]:
    try:
        async with await anyio.open_file(path, "rb") as file:
            while chunk := await file.read(CHUNK):
                yield chunk
    finally:
        await asyncio.to_thread(shutil.rmtree, path.parent, ignore_errors=True)


routes = [show_legal, register, end, hold, act_on_hold, propose, decide, make_package]
