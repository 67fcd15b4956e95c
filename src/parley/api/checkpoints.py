"""Signed heads of the moderation log and the key that signs them, for everybody who wants to keep a copy.

Whoever keeps one notices when the log is written anew: docs/operators/audit-and-law.md.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from parley.kit.errors import BadRequest
from parley.kit.http import instance_of, query_pairs
from parley.kit.signing import fingerprint_of, public_key_of
from parley.safety.log.checkpoints import list_checkpoints
from parley.safety.log.exporting import VERIFIER, verifier_file

Asked = Request[Any, Any, Any]
FRESH = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


@get("/.well-known/parley-key", scope=None)
async def show_key(request: Asked) -> Response[dict[str, str]]:
    """The public key of everything that this instance signs, in hexadecimal, and its SHA-256 to compare."""
    key = public_key_of(instance_of(request).settings)
    body = {"algorithm": "Ed25519", "public_key": key.hex(), "fingerprint": fingerprint_of(key)}
    return Response(body, headers=FRESH)


@get("/.well-known/parley-checkpoints", scope=None)
async def show_checkpoints(request: Asked) -> Response[dict[str, Any]]:
    """Signed heads of the log, newest first, at most a hundred; `?before=` the number of an entry goes back."""
    given = dict(query_pairs(request)).get("before", "")
    if given and not (given.isascii() and given.isdigit() and len(given) < 18):
        raise BadRequest("`before` is the number of an entry of the log.")
    async with instance_of(request).db.read() as tx:
        heads = await list_checkpoints(tx, before=int(given) if given else None)
    listed = [
        {"signed": head.signed, "signature": head.signature, "public_key": head.public_key, "seq": head.seq}
        for head in heads
    ]
    return Response({"checkpoints": listed}, headers=FRESH)


@get(f"/.well-known/{VERIFIER}", scope=None)
async def show_verifier(request: Asked) -> Response[bytes]:
    """The program with which anybody checks an export of the log, or an evidence package: plain Python, to be read."""
    return Response(verifier_file().read_bytes(), media_type="text/x-python; charset=utf-8", headers=FRESH)


routes = [show_key, show_checkpoints, show_verifier]
