"""`parley legal`: requests of authorities, holds and disclosures. Parses, calls actions, prints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from parley.commands.judging import By
from parley.commands.running import AsJson, settings_or_exit, show, with_transaction
from parley.kit.settings import Settings
from parley.safety.evidence.law_views import HoldKind, RequestKind
from parley.safety.evidence.states import RequestState
from parley.social.accounts.views import Viewer

app = typer.Typer(
    help="What law asks for: requests of authorities, legal holds, and what is handed out.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="Its number, as `parley legal list` shows it.")]
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]
Accounts = Annotated[list[str] | None, typer.Option("--account", help="Name or number of an account; may be repeated.")]
Cases = Annotated[list[int] | None, typer.Option("--case", help="Number of a case; may be repeated.")]


def _run(by: str, action: Callable[[Any, Settings, Viewer], Awaitable[Any]]) -> Any:
    from parley.commands.staffing import find_viewer

    settings = settings_or_exit()

    async def run(tx: Any) -> Any:
        return await action(tx, settings, await find_viewer(tx, by))

    return with_transaction(settings, run)


def _plain(value: Any) -> dict[str, Any]:
    """Ids as text: numbers in JSON are too small for them."""
    told: dict[str, Any] = msgspec.to_builtins(value)
    for name, one in told.items():
        if isinstance(one, int) and (name == "id" or name.endswith(("_id", "_by"))):
            told[name] = str(one)
    for one in told.get("subjects", ()):
        one["id"] = str(one["id"])
    return told


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _until(moment: datetime | None) -> str:
    return f"until {moment:%Y-%m-%d %H:%M} UTC" if moment else "until it is released"


@app.command("request")
def legal_request(
    by: By,
    kind: Annotated[RequestKind, typer.Option("--kind", help="What they ask for.")],
    authority: Annotated[str, typer.Option("--authority", help="Who asks.")],
    reference: Annotated[str, typer.Option("--reference", help="Their reference.")] = "",
    basis: Annotated[str, typer.Option("--basis", help="The law that they name.")] = "",
    statement: Annotated[str, typer.Option("--statement", help="What they wrote, in short.")] = "",
    received: Moment = None,
    due: Moment = None,
    case: Annotated[int | None, typer.Option("--case", help="Number of the case that it is about.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a request of an authority on the register. Without --due, its kind and the policy say when it is due."""
    from parley.safety.evidence.law_views import NewRequest
    from parley.safety.evidence.requests import register_request

    new = NewRequest(
        kind=kind,
        authority=authority,
        reference=reference,
        basis=basis,
        statement=statement,
        received_at=_utc(received),
        due_at=_utc(due),
        case_id=case,
    )
    view = _run(by, lambda tx, _settings, viewer: register_request(tx, viewer, new))
    show(_plain(view), as_json, f"Request {view.id} is on the register, due {view.due_at:%Y-%m-%d %H:%M} UTC.")


@app.command("answer")
def legal_answer(
    request_id: Number,
    by: By,
    answer: Annotated[str, typer.Option("--answer", help="What was answered; it is on record.")],
    state: Annotated[RequestState, typer.Option("--state", help="answered, refused or withdrawn.")] = "answered",
    as_json: AsJson = False,
) -> None:
    """Note what became of a request."""
    from parley.safety.evidence.requests import end_request

    view = _run(by, lambda tx, _settings, viewer: end_request(tx, viewer, request_id, state, answer=answer))
    show(_plain(view), as_json, f"Request {view.id} is {view.state}.")


@app.command("hold")
def legal_hold(
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is on record.")],
    kind: Annotated[HoldKind, typer.Option("--kind", help="Which says when it ends.")] = "preservation",
    account: Accounts = None,
    case: Cases = None,
    conversation: Annotated[list[int] | None, typer.Option("--conversation", help="May be repeated.")] = None,
    status: Annotated[list[int] | None, typer.Option("--status", help="Number of a post; may be repeated.")] = None,
    reference: Annotated[str, typer.Option("--reference", help="Theirs, or the lawyer's.")] = "",
    request: Annotated[int | None, typer.Option("--request", help="Number of the request that it answers.")] = None,
    ends: Moment = None,
    as_json: AsJson = False,
) -> None:
    """Keep everything of accounts, cases, conversations and posts: nothing of it is purged until the hold ends.

    Who runs the instance places it at once; a moderator asks for it, which keeps things too.
    """
    from parley.commands.staffing import find_account
    from parley.safety.evidence.holding import place_hold
    from parley.safety.evidence.law_views import Held, NewHold

    async def place(tx: Any, settings: Settings, viewer: Viewer) -> Any:
        subjects = [Held("account", await find_account(tx, settings, name)) for name in account or ()]
        subjects += [Held("case", number) for number in case or ()]
        subjects += [Held("conversation", number) for number in conversation or ()]
        subjects += [Held("status", number) for number in status or ()]
        new = NewHold(
            subjects=subjects, kind=kind, reason=reason, reference=reference, request_id=request, ends_at=_utc(ends)
        )
        return await place_hold(tx, viewer, new)

    view = _run(by, place)
    show(_plain(view), as_json, f"Hold {view.id} is {view.state}, {_until(view.ends_at)}.")


@app.command("activate")
def legal_activate(hold_id: Number, by: By, as_json: AsJson = False) -> None:
    """Put a hold in force that a moderator asked for."""
    from parley.safety.evidence.holding import activate_hold

    view = _run(by, lambda tx, _settings, viewer: activate_hold(tx, viewer, hold_id))
    show(_plain(view), as_json, f"Hold {view.id} is {view.state}, {_until(view.ends_at)}.")


@app.command("renew")
def legal_renew(hold_id: Number, by: By, ends: Moment = None, as_json: AsJson = False) -> None:
    """Let a hold go on: for its usual time, or until --ends."""
    from parley.safety.evidence.holding import renew_hold

    view = _run(by, lambda tx, _settings, viewer: renew_hold(tx, viewer, hold_id, ends_at=_utc(ends)))
    show(_plain(view), as_json, f"Hold {view.id} goes on {_until(view.ends_at)}.")


@app.command("release")
def legal_release(
    hold_id: Number,
    by: By,
    why: Annotated[str, typer.Option("--why", help="It is on record.")],
    as_json: AsJson = False,
) -> None:
    """End a hold. What was due to be deleted meanwhile is deleted now."""
    from parley.safety.evidence.holding import release_hold

    view = _run(by, lambda tx, _settings, viewer: release_hold(tx, viewer, hold_id, why=why))
    show(_plain(view), as_json, f"Hold {view.id} is {view.state}.")


@app.command("disclose")
def legal_disclose(
    by: By,
    to: Annotated[str, typer.Option("--to", help="Who gets it.")],
    basis: Annotated[str, typer.Option("--basis", help="On which ground.")],
    what: Annotated[str, typer.Option("--what", help="What, in short.")],
    request: Annotated[int | None, typer.Option("--request", help="Number of the request that it answers.")] = None,
    case: Annotated[int | None, typer.Option("--case", help="Number of the case to hand out.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="The account to hand out.")] = None,
    subscriber: Annotated[
        bool, typer.Option("--subscriber", help="With the member's mail address and sign-ins; needs --request.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose to hand evidence out. Somebody else approves it; `parley evidence pack --disclosure` makes the file."""
    from parley.commands.staffing import find_account
    from parley.safety.evidence.law_views import NewDisclosure
    from parley.safety.evidence.requests import propose_disclosure

    async def propose(tx: Any, settings: Settings, viewer: Viewer) -> Any:
        new = NewDisclosure(
            recipient=to,
            basis=basis,
            what=what,
            request_id=request,
            case_id=case,
            account_id=await find_account(tx, settings, account) if account is not None else None,
            subscriber=subscriber,
        )
        return await propose_disclosure(tx, viewer, new)

    view = _run(by, propose)
    show(_plain(view), as_json, f"Disclosure {view.id} is proposed: somebody else has to approve it.")


@app.command("approve")
def legal_approve(
    disclosure_id: Number,
    by: By,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a proposed disclosure go: for somebody else who runs the instance."""
    from parley.safety.evidence.requests import decide_disclosure

    view = _run(
        by,
        lambda tx, settings, viewer: decide_disclosure(tx, settings, viewer, disclosure_id, approve=not refuse),
    )
    text = f"Disclosure {view.id} is {view.state}."
    if view.state == "approved":
        text += f" Next: parley evidence pack --disclosure {view.id} --to FILE.zip --by NAME"
    show(_plain(view), as_json, text)


@app.command("list")
def legal_list(
    by: By,
    everything: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show requests, holds and disclosures: what waits, the most urgent first."""
    from parley.safety.evidence.holding import list_holds
    from parley.safety.evidence.requests import list_disclosures, list_requests

    async def read(tx: Any, _settings: Settings, viewer: Viewer) -> tuple[Any, Any, Any]:
        return (
            await list_requests(tx, viewer, ended=everything),
            await list_holds(tx, viewer, ended=everything),
            await list_disclosures(tx, viewer),
        )

    requests, holds, disclosures = _run(by, read)
    if not everything:
        disclosures = [one for one in disclosures if one.state in ("proposed", "approved")]
    result = {
        "requests": [_plain(one) for one in requests],
        "holds": [_plain(one) for one in holds],
        "disclosures": [_plain(one) for one in disclosures],
    }
    lines = [
        f"request {one.id}: {one.kind.replace('_', ' ')}, {one.authority} {one.reference}, {one.state}, "
        f"due {one.due_at:%Y-%m-%d %H:%M} UTC{', OVERDUE' if one.overdue_at and one.state == 'received' else ''}"
        for one in requests
    ]
    lines += [
        f"hold {one.id}: {one.kind}, {one.state}, {_until(one.ends_at)}, keeps "
        + ", ".join(f"{held.type} {held.id}" for held in one.subjects[:5])
        + (f" and {len(one.subjects) - 5} more" if len(one.subjects) > 5 else "")
        for one in holds
    ]
    lines += [f"disclosure {one.id}: {one.what}, to {one.recipient}, {one.state}" for one in disclosures]
    show(result, as_json, "\n".join(lines) or "Nothing waits.")
