"""The HTTP API for hosts, app stores, authorities and trusted flaggers: docs/hosts/README.md describes it.

POST /api/abuse/v1/reports       a report: XARF 4, XARF 3, or plain JSON. 202 and its id.
GET  /api/abuse/v1/reports/{id}  where it stands, and what became of each URL.
POST /api/abuse/v1/reports/{id}/answers  what its sender says when it is asked for facts.
GET  /api/abuse/v1/key           the key with which answers are signed.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any, cast

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.abuse.reading import SOURCES, Understood, read_json, read_report
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import BadRequest, Conflict, Unauthorized
from parley.kit.http import client_address, instance_of
from parley.kit.ids import parse_id
from parley.kit.limits import bucket_of, check_rate, count_try
from parley.kit.signing import fingerprint_of, public_key_of
from parley.safety.log.views import Actor
from parley.safety.notices.actions import file_notice
from parley.safety.notices.keeping import keep_raw
from parley.safety.notices.providers import authenticate_provider, check_signature
from parley.safety.notices.questions import answer_question
from parley.safety.notices.reads import (
    count_copies,
    get_provider_notice,
    list_responses,
    load_ledgers,
    receipt_address,
)
from parley.safety.notices.responses import describe_line
from parley.safety.notices.strangers import network_of
from parley.safety.notices.tokens import find_token, keep_token
from parley.safety.notices.urls import own_hosts
from parley.safety.notices.views import NewNotice, NoticeView, OrderKind, ProviderView, RawMessage
from parley.safety.transparency.reads import get_compliance_address

Asked = Request[Any, Any, Any]

MOST_REPORTS = 600
REPORTS_PER = timedelta(minutes=5)
MOST_URLS = 50_000
URLS_PER = timedelta(hours=1)
"""Addresses that a provider may name: a token that was stolen must not bring everybody before the moderators."""
MOST_READS = 3000
MOST_UNKNOWN = 60
"""Calls of a network whose tokens are not known."""
LONGEST_TOKEN = 200


@post("/api/abuse/v1/reports", status_code=202, scope=None)
async def send_report(request: Asked) -> Response[dict[str, Any]]:
    """Take a report. The same idempotency token with the same body within 24 hours gives the same answer."""
    instance = instance_of(request)
    provider = await _provider(request)
    await count_try(instance.db, instance.settings, bucket_of("abuse-api", provider.id), MOST_REPORTS, REPORTS_PER)
    body = await request.body()
    check_signature(provider, body, request.headers.get("x-body-signature", ""))
    data = read_json(body)
    token = _token_of(request, data)
    understood = read_report(data, own_hosts(instance.settings))
    raw = await keep_raw(instance, body, provider_id=provider.id)
    async with instance.db.write() as tx:
        notice_id = await _take(tx, request, provider, understood, raw, token)
        described = await _describe(tx, request, await get_provider_notice(tx, provider.id, notice_id))
    if understood.warnings:
        described["warnings"] = list(understood.warnings)
    location = f"{instance.settings.base_url}/api/abuse/v1/reports/{notice_id}"
    return Response(described, status_code=202, headers={"Location": location, "Cache-Control": "no-store"})


async def _take(
    tx: Tx, request: Asked, provider: ProviderView, understood: Understood, raw: RawMessage, token: str
) -> int:
    if token:
        known = await find_token(tx, provider.id, token)
        if known is not None and known.body_sha256 != raw.sha256:
            raise Conflict(
                "This idempotency token was used for another body within 24 hours. Send the same body again, or a new "
                "token for a new report."
            )
        if known is not None:
            return known.notice_id
    settings, urls = instance_of(request).settings, len(understood.urls)
    await check_rate(tx, settings, bucket_of("abuse-urls", provider.id), MOST_URLS, URLS_PER, weight=max(urls, 1))
    actor = Actor("provider", provider.id, provider.name)
    new = _notice_of(provider, understood, raw)
    notice_id = await file_notice(tx, instance_of(request).settings, actor, new)
    if token:
        await keep_token(tx, provider.id, token, raw.sha256, notice_id)
    return notice_id


def _notice_of(provider: ProviderView, understood: Understood, raw: RawMessage) -> NewNotice:
    return NewNotice(
        source=SOURCES[provider.kind],
        channel="api",
        urls=understood.urls,
        statement=understood.statement,
        harms=understood.harms,
        provider_id=provider.id,
        verified=True,
        format=understood.format,
        reference=understood.reference,
        order_kind=_order_of(provider, understood),
        authority=provider.name if provider.kind == "authority" else "",
        basis=understood.basis,
        reporter_name=understood.reporter_name,
        reporter_mail=provider.contact_mail,
        good_faith=True,
        language=understood.language or "en",
        raw=raw,
        received_at=now(),
    )


def _order_of(provider: ProviderView, understood: Understood) -> OrderKind | None:
    if provider.kind != "authority":
        return None
    return cast(OrderKind, understood.order_kind or "removal")


@get("/api/abuse/v1/reports/{report_id:str}", scope=None)
async def show_report(request: Asked, report_id: FromPath[str]) -> Response[dict[str, Any]]:
    """Where a report stands. Somebody else's is not found."""
    instance = instance_of(request)
    provider = await _provider(request)
    await count_try(instance.db, instance.settings, bucket_of("abuse-api-read", provider.id), MOST_READS, REPORTS_PER)
    async with instance.db.read() as tx:
        notice = await get_provider_notice(tx, provider.id, parse_id(report_id))
        return Response(await _describe(tx, request, notice), headers={"Cache-Control": "no-store"})


@post("/api/abuse/v1/reports/{report_id:str}/answers", status_code=200, scope=None)
async def send_answer(request: Asked, report_id: FromPath[str]) -> Response[dict[str, Any]]:
    """Answer the open question about a report: `{"text": "..."}`. The clock goes on."""
    instance = instance_of(request)
    provider = await _provider(request)
    await count_try(instance.db, instance.settings, bucket_of("abuse-api", provider.id), MOST_REPORTS, REPORTS_PER)
    body = await request.body()
    check_signature(provider, body, request.headers.get("x-body-signature", ""))
    text = read_json(body).get("text")
    if not isinstance(text, str):
        raise BadRequest('Send the answer as JSON: {"text": "..."}.')
    async with instance.db.write() as tx:
        notice = await get_provider_notice(tx, provider.id, parse_id(report_id))
        await answer_question(tx, Actor("provider", provider.id, provider.name), notice.id, text)
        described = await _describe(tx, request, await get_provider_notice(tx, provider.id, notice.id))
    return Response(described, headers={"Cache-Control": "no-store"})


async def _describe(tx: Tx, request: Asked, notice: NoticeView) -> dict[str, Any]:
    settings = instance_of(request).settings
    lines = (await load_ledgers(tx, [notice.id]))[notice.id]
    if notice.answered_at is not None:
        lines = await count_copies(tx, lines)
    responses = await list_responses(tx, notice.id)
    return {
        "id": str(notice.id),
        "status": notice.progress,
        "reason": notice.reason,
        "reference": notice.reference,
        "format": notice.format,
        "received_at": notice.received_at,
        "acknowledged_at": notice.acknowledged_at,
        "due_at": notice.due_at,
        "completed_at": notice.answered_at,
        "rule": notice.clause,
        "status_url": f"{settings.base_url}/api/abuse/v1/reports/{notice.id}",
        "receipt_url": receipt_address(settings, notice.id),
        "compliance_url": await get_compliance_address(tx, settings, notice.provider.id) if notice.provider else None,
        "urls": [describe_line(line) for line in lines],
        "questions": [
            {
                "text": one.question,
                "state": one.state,
                "asked_at": one.asked_at,
                "answer_by": one.until_at,
                "ended_at": one.ended_at,
                "clock_stands_still": one.paused and one.state == "open",
            }
            for one in notice.questions
        ],
        "answers_url": f"{settings.base_url}/api/abuse/v1/reports/{notice.id}/answers",
        "responses": [
            {
                "number": one.number,
                "created_at": one.created_at,
                "contents": one.contents,
                "sha256": one.sha256,
                "signature": one.signature,
                "key": one.key_fingerprint,
            }
            for one in responses
        ],
    }


@get("/api/abuse/v1/key", scope=None)
async def show_key(request: Asked) -> Response[dict[str, str]]:
    """The Ed25519 key with which answers are signed: 32 bytes in base64, and their SHA-256."""
    key = public_key_of(instance_of(request).settings)
    found = {"algorithm": "Ed25519", "key": base64.b64encode(key).decode(), "fingerprint": fingerprint_of(key)}
    return Response(found, headers={"Cache-Control": "public, max-age=3600"})


async def _provider(request: Asked) -> ProviderView:
    instance = instance_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(
                "Send `Authorization: Bearer TOKEN` with the token that this server's operator gave you. Without one, "
                f"use {instance.settings.base_url}/notice, or write to {instance.settings.abuse_mail}."
            )
        async with instance.db.read() as tx:
            return await authenticate_provider(tx, token.strip())
    except Unauthorized:
        network = bucket_of("abuse-api-unknown", network_of(client_address(request, instance.settings)))
        await count_try(instance.db, instance.settings, network, MOST_UNKNOWN, REPORTS_PER)
        raise


def _token_of(request: Asked, data: dict[str, Any]) -> str:
    """The idempotency token: a header, or a field of the report."""
    given = request.headers.get("idempotency-key") or data.get("idempotency_token") or data.get("client_token") or ""
    if not isinstance(given, str) or len(given) > LONGEST_TOKEN:
        raise BadRequest(f"The idempotency token must be a text of at most {LONGEST_TOKEN} characters.")
    return hashlib.sha256(given.encode()).hexdigest() if given else ""


routes = [send_report, show_report, send_answer, show_key]
