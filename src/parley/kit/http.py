"""What every door needs from HTTP: parameters as clients send them, paging, Link headers, the client's address.

Mastodon's clients send query strings, forms, multipart forms and JSON for the same call, with Rails-style names
(`media_ids[]`, `poll[options][]`, `fields_attributes[0][name]`). `read_params` makes one nested dict of them all.
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException

from parley.kit.errors import BadRequest, Invalid, TooLarge
from parley.kit.ids import parse_id
from parley.kit.instance import Instance
from parley.kit.paging import Page

if TYPE_CHECKING:
    from litestar import Request

    from parley.kit.settings import Settings

T = TypeVar("T")

MAX_PARAMS = 1000
MAX_BODY = 2**20
"""Bytes of a body that is not multipart: texts alone, whatever limit a route has for its files."""
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


def instance_of(request: Request[Any, Any, Any]) -> Instance:
    """The instance that serves this request."""
    return cast(Instance, request.app.state.instance)


async def read_params(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Query and body of any kind as one nested dict; the body wins. Uploads stay UploadFile objects.

    Raises BadRequest for a body that is not what its content type says, TooLarge for more than MAX_BODY.
    """
    pairs: list[tuple[str, Any]] = list(query_pairs(request))
    if request.method in ("GET", "HEAD"):
        return nest(pairs)
    kind = request.content_type[0]
    if kind == RequestEncodingType.MULTI_PART:
        try:
            form = await request.form()
        except (ValueError, ClientException) as error:
            raise BadRequest("The form in the request's body is malformed.", detail=str(error)) from error
        pairs += form.multi_items()
        return nest(pairs)
    body = await _read_body(request)
    if kind == RequestEncodingType.URL_ENCODED:
        return nest(pairs + _read_pairs(body))
    if kind == RequestEncodingType.JSON or (body[:1] == b"{" and not kind):
        if not body:
            return nest(pairs)
        try:
            decoded = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest("The request's body is not valid JSON.", detail=str(error)) from error
        if not isinstance(decoded, dict):
            raise BadRequest("The request's body must be a JSON object.")
        return {**nest(pairs), **decoded}
    return nest(pairs)


def query_pairs(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    """The query string as name-value pairs in order."""
    return _read_pairs(request.scope.get("query_string", b""))


def _read_pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_PARAMS)
    except ValueError as error:
        raise BadRequest(f"More than {MAX_PARAMS} parameters were sent.") from error


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    """The body, as far as it is no longer than a form may be: what is announced counts for nothing."""
    state = request.scope["state"]
    if "text_body" not in state:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise TooLarge(f"This request is too large: at most {MAX_BODY // 2**20} MiB of text are accepted.")
        state["text_body"] = bytes(body)
    return cast(bytes, state["text_body"])


def nest(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`a=1, b[]=2, b[]=3, c[d][]=4, e[0][f]=5` as `{a: 1, b: [2, 3], c: {d: [4]}, e: {'0': {f: 5}}}`."""
    if len(pairs) > MAX_PARAMS:
        raise BadRequest(f"More than {MAX_PARAMS} parameters were sent.")
    result: dict[str, Any] = {}
    for name, value in pairs:
        if "[" not in name:
            result[name] = value
            continue
        base, _, rest = name.partition("[")
        keys = _BRACKET.findall("[" + rest)
        if not base or len(keys) > 5 or "".join(f"[{key}]" for key in keys) != "[" + rest:
            raise BadRequest(f"The parameter name {name[:80]!r} is malformed.")
        _place(result, [base, *keys], value, name)
    return result


def _place(node: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    for depth, key in enumerate(path):
        following = path[depth + 1 :]
        if not following:
            node[key] = value
            return
        if following[0] == "":
            items = node.setdefault(key, [])
            if not isinstance(items, list):
                raise BadRequest(f"The parameter {name[:80]!r} is used both as a list and as something else.")
            if len(following) == 1:
                items.append(value)
                return
            # a[][b]=1&a[][c]=2: a new item begins when the key is already there.
            if not items or not isinstance(items[-1], dict) or following[1] in items[-1]:
                items.append({})
            _place(items[-1], following[1:], value, name)
            return
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise BadRequest(f"The parameter {name[:80]!r} is used both as a value and as a group.")
        node = child


def to_struct(params: dict[str, Any], kind: type[T]) -> T:
    """`params` as the Struct `kind` (strings are read leniently); raises Invalid with a sentence."""
    try:
        return msgspec.convert(params, kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.") or "the request"
        raise Invalid(f"Validation failed: {field}: {message}.") from error


async def parse(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The request's parameters as the Struct `kind`; unknown ones are ignored, as Mastodon does."""
    return to_struct(listify(await read_params(request), kind), kind)


def listify(params: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Let a lone value stand for a list, and `{'0': a, '1': b}` too, where `kind` wants a list."""
    for name in _list_fields(kind):
        value = params.get(name)
        if value is not None and not isinstance(value, list):
            params[name] = list(value.values()) if isinstance(value, dict) else [value]
    return params


@cache
def _list_fields(kind: Any) -> tuple[str, ...]:
    """Names of the fields that hold a list. Kept: working annotations out takes longer than the rest of a request."""
    fields = msgspec.structs.fields(kind)
    return tuple(field.encode_name for field in fields if "list[" in str(field.type).lower())


def page_of(request: Request[Any, Any, Any], *, default: int = 20, most: int = 40) -> Page:
    """max_id, since_id, min_id and limit of the query. A limit beyond `most` means `most`."""
    query = dict(query_pairs(request))
    try:
        limit = int(query.get("limit") or default)
    except ValueError as error:
        raise BadRequest("limit must be a number.") from error
    ids = {name: parse_id(query[name]) for name in ("max_id", "since_id", "min_id") if query.get(name)}
    return Page(max(1, min(limit, most)), **ids)


def link_header(
    request: Request[Any, Any, Any], settings: Settings, newest: int | None, oldest: int | None
) -> dict[str, str]:
    """`Link` with rel=next (older) and rel=prev (newer), or nothing for an empty page (RFC 8288)."""
    if newest is None or oldest is None:
        return {}
    kept = [
        (name, value)
        for name, value in query_pairs(request)
        if name not in ("max_id", "since_id", "min_id", "access_token")
    ]
    base = settings.base_url + quote(request.scope["path"])
    older = urlencode([*kept, ("max_id", str(oldest))])
    newer = urlencode([*kept, ("min_id", str(newest))])
    return {"Link": f'<{base}?{older}>; rel="next", <{base}?{newer}>; rel="prev"'}


def client_address(request: Request[Any, Any, Any], settings: Settings) -> str:
    """The client's IP address; X-Forwarded-For is believed only from `trusted_proxies`.

    An IPv6 address is cut to its /64, which is what one subscriber holds.
    """
    peer = request.client.host if request.client else "127.0.0.1"
    return address_of(peer, request.headers.getall("x-forwarded-for", []), settings)


def address_of(peer: str, forwarded: list[str], settings: Settings) -> str:
    """The client's address, of who is connected and the X-Forwarded-For lines that came along."""
    if peer in settings.trusted_proxies:
        # A proxy may add a line of its own below one that the client sent: all of them are one list.
        hops = [hop.strip() for hop in ",".join(forwarded).split(",") if hop.strip()]
        untrusted = [hop for hop in hops if hop not in settings.trusted_proxies]
        peer = untrusted[-1] if untrusted else peer
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "127.0.0.1"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
