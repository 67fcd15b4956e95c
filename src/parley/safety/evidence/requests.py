"""The register of what authorities asked for, and of what was handed out to whom, on which ground, as which file.

Handing out takes two people: somebody proposes it, somebody else who runs the instance lets it go. Only then a package
is made, and its hash goes on record. Who is not staff finds nothing here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.evidence import store_law, store_pack
from parley.safety.evidence.holding import clean, need_operator, need_staff
from parley.safety.evidence.law_views import (
    DisclosureView,
    Held,
    NewDisclosure,
    NewRequest,
    RequestKind,
    RequestView,
)
from parley.safety.evidence.states import DISCLOSURE_FOLLOWS, REQUEST_FOLLOWS, RequestState, check_transition
from parley.safety.log.actions import append_event
from parley.safety.log.views import human
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer

PRESERVATION_HOURS = 24
DISCLOSURE_DAYS = 14
"""When the two are due where nobody says otherwise: what is to be preserved today, what is to be handed out in time."""


def usual_due(kind: RequestKind, received_at: datetime) -> datetime:
    """When a request of this kind is to be answered unless it says otherwise."""
    if kind == "preservation":
        return received_at + timedelta(hours=PRESERVATION_HOURS)
    if kind == "disclosure":
        return received_at + timedelta(days=DISCLOSURE_DAYS)
    return received_at + timedelta(hours=live_ruleset().head.clocks.authority_order)


async def register_request(tx: Tx, viewer: Viewer, new: NewRequest) -> RequestView:
    """Write down what an authority asks for. Raises NotFound, Invalid."""
    need_staff(viewer)
    moment = now()
    received = new.received_at or moment
    if received > moment:
        raise Invalid("It was received in the future: check the time.")
    new = msgspec.structs.replace(
        new,
        authority=clean(new.authority, "who asks", least=2),
        reference=clean(new.reference, "the reference"),
        basis=clean(new.basis, "the ground"),
        statement=clean(new.statement, "the statement"),
    )
    if new.case_id is not None and await store_law.list_unknown_held(tx, [Held("case", new.case_id)]):
        raise NotFound(f"There is no case {new.case_id}.")
    due = new.due_at or usual_due(new.kind, received)
    await append_event(tx, human(viewer), "legal_request_registered", case_id=new.case_id, kind=new.kind)
    request_id = await store_law.insert_request(tx, new, viewer.account_id, received, due)
    return await get_request(tx, viewer, request_id)


async def end_request(tx: Tx, viewer: Viewer, request_id: int, state: RequestState, *, answer: str) -> RequestView:
    """Note that a request was answered, refused or withdrawn, and how. Raises NotFound, Invalid."""
    need_staff(viewer)
    answer = clean(answer, "what was answered", least=5)
    await get_request(tx, viewer, request_id)
    before = await store_law.lock_request(tx, request_id)
    if before is None:
        raise NotFound(f"There is no request {request_id}.")
    check_transition(REQUEST_FOLLOWS, before, state)
    await append_event(tx, human(viewer), f"legal_request_{state}", request=str(request_id))
    await store_law.update_request_ended(tx, request_id, state, answer, now())
    return await get_request(tx, viewer, request_id)


async def get_request(tx: Tx, viewer: Viewer, request_id: int) -> RequestView:
    """A request. Raises NotFound, also for one about the viewer: some orders are secret, from the staff too."""
    need_staff(viewer)
    found = await store_law.list_requests(tx, request_id=request_id, limit=1)
    if not found or await store_law.list_requests_about(tx, [request_id], viewer.account_id):
        raise NotFound(f"There is no request {request_id}.")
    return found[0]


async def list_requests(tx: Tx, viewer: Viewer, *, ended: bool = False, limit: int = 100) -> list[RequestView]:
    """Requests that wait, the most urgent first; with `ended` the others too. None about the viewer."""
    need_staff(viewer)
    found = await store_law.list_requests(tx, ended=ended, limit=limit)
    own = await store_law.list_requests_about(tx, [one.id for one in found], viewer.account_id) if found else set()
    return [one for one in found if one.id not in own]


async def propose_disclosure(tx: Tx, viewer: Viewer, new: NewDisclosure) -> DisclosureView:
    """Propose to hand something out. Raises NotFound, Invalid without a case or an account, Forbidden.

    A member's mail address and sign-ins go out only by a request that is on record.
    """
    need_staff(viewer)
    if new.case_id is None and new.account_id is None:
        raise Invalid("Say what is to be handed out: a case, or an account.")
    if new.subscriber and (new.account_id is None or new.request_id is None):
        raise Forbidden("A member's mail address and sign-ins are handed out for an account and a registered request.")
    held = [Held("case", new.case_id)] if new.case_id is not None else []
    held += [Held("account", new.account_id)] if new.account_id is not None else []
    if unknown := await store_law.list_unknown_held(tx, held):
        raise NotFound(f"There is no {unknown[0].type} {unknown[0].id}.")
    if new.case_id is not None and new.account_id not in (None, await store_pack.get_case_account(tx, new.case_id)):
        raise Invalid("The case is about another account: hand out one or the other.")
    if new.request_id is not None:
        await get_request(tx, viewer, new.request_id)
    new = msgspec.structs.replace(
        new,
        recipient=clean(new.recipient, "to whom", least=2),
        basis=clean(new.basis, "on which ground", least=5),
        what=clean(new.what, "what", least=5),
    )
    await append_event(tx, human(viewer), "disclosure_proposed", case_id=new.case_id)
    disclosure_id = await store_law.insert_disclosure(tx, new, viewer.account_id, now())
    return await get_disclosure(tx, viewer, disclosure_id)


async def decide_disclosure(
    tx: Tx, settings: Settings, viewer: Viewer, disclosure_id: int, *, approve: bool
) -> DisclosureView:
    """Let a proposed disclosure go, or refuse it. Raises NotFound, Forbidden for its proposer, Invalid.

    Where `four_eyes` is off its proposer may, and it says so for ever.
    """
    need_operator(viewer, "let evidence go")
    await get_disclosure(tx, viewer, disclosure_id)
    found = await store_law.lock_disclosure(tx, disclosure_id)
    if found is None:
        raise NotFound(f"There is no disclosure {disclosure_id}.")
    state, proposed_by = found
    following = "approved" if approve else "refused"
    check_transition(DISCLOSURE_FOLLOWS, state, following)
    alone = approve and proposed_by == viewer.account_id
    if alone and settings.four_eyes:
        raise Forbidden("You proposed this yourself: somebody else has to let it go.")
    await append_event(tx, human(viewer), f"disclosure_{following}", disclosure=str(disclosure_id))
    await store_law.update_disclosure_decided(
        tx, disclosure_id, following, viewer.account_id, now(), single_handed=alone
    )
    return await get_disclosure(tx, viewer, disclosure_id)


async def note_disclosure_sent(
    tx: Tx, viewer: Viewer, disclosure_id: int, *, package_sha256: bytes, package_bytes: int
) -> DisclosureView:
    """Note that an approved disclosure was handed out as exactly this file. Raises NotFound, Invalid."""
    need_staff(viewer)
    found = await store_law.lock_disclosure(tx, disclosure_id)
    if found is None:
        raise NotFound(f"There is no disclosure {disclosure_id}.")
    check_transition(DISCLOSURE_FOLLOWS, found[0], "sent")
    await append_event(
        tx, human(viewer), "disclosure_sent", disclosure=str(disclosure_id), package_sha256=package_sha256.hex()
    )
    await store_law.update_disclosure_sent(tx, disclosure_id, package_sha256, package_bytes, now())
    return await get_disclosure(tx, viewer, disclosure_id)


async def get_disclosure(tx: Tx, viewer: Viewer, disclosure_id: int) -> DisclosureView:
    """A disclosure. Raises NotFound, also for one about the viewer."""
    need_staff(viewer)
    found = await store_law.list_disclosures(tx, disclosure_id=disclosure_id, limit=1)
    if not found or await _is_about(tx, viewer, found[0]):
        raise NotFound(f"There is no disclosure {disclosure_id}.")
    return found[0]


async def list_disclosures(
    tx: Tx, viewer: Viewer, *, request_id: int | None = None, limit: int = 100
) -> list[DisclosureView]:
    """What was, or is to be, handed out, newest first. Without what is about the viewer."""
    need_staff(viewer)
    found = await store_law.list_disclosures(tx, request_id=request_id, limit=limit)
    return [one for one in found if not await _is_about(tx, viewer, one)]


async def _is_about(tx: Tx, viewer: Viewer, one: DisclosureView) -> bool:
    if one.account_id is None and one.case_id is not None:
        return await store_pack.get_case_account(tx, one.case_id) == viewer.account_id
    return one.account_id == viewer.account_id
