"""How other programs find this instance and its members: NodeInfo 2.1, host-meta (RFC 6415), WebFinger (RFC
7033)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

from litestar import Request, Response, get
from litestar.params import FromPath

import parley
from parley.api.entities.accounts import file_url
from parley.api.instance import counts_of
from parley.kit.errors import BadRequest, NotFound
from parley.kit.http import instance_of, query_pairs
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_url
from parley.social.accounts.reads import get_account_by_address
from parley.social.accounts.views import AccountView

Asked = Request[Any, Any, Any]

SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
NODEINFO = ("2.1", "2.0")


@get("/.well-known/nodeinfo", scope=None)
async def show_nodeinfo_links(request: Asked) -> dict[str, Any]:
    """Where NodeInfo is: https://nodeinfo.diaspora.software/protocol.html"""
    base = instance_of(request).settings.base_url
    return {"links": [{"rel": SCHEMA + number, "href": f"{base}/nodeinfo/{number}"} for number in NODEINFO]}


@get("/nodeinfo/{number:str}", scope=None)
async def show_nodeinfo(request: Asked, number: FromPath[str]) -> Response[dict[str, Any]]:
    """What runs here and how large it is."""
    if number not in NODEINFO:
        raise NotFound
    instance = instance_of(request)
    settings = instance.settings
    counts = await counts_of(instance)
    body = {
        "version": number,
        "software": {"name": "parley", "version": parley.__version__},
        "protocols": [],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": settings.registrations in ("open", "approval"),
        "usage": {
            "users": {
                "total": counts.members,
                "activeMonth": counts.active_month,
                "activeHalfyear": counts.active_half_year,
            },
            "localPosts": counts.statuses,
        },
        "metadata": {"nodeName": settings.name, "nodeDescription": settings.description},
    }
    kind = f'application/json; profile="{SCHEMA}{number}#"'
    return Response(body, media_type=kind, headers={"Cache-Control": "public, max-age=300"})


@get("/.well-known/host-meta", scope=None)
async def show_host_meta(request: Asked) -> Response[str]:
    """Where WebFinger is, for programs that ask the old way."""
    template = f"{instance_of(request).settings.base_url}/.well-known/webfinger?resource={{uri}}"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
        f'  <Link rel="lrdd" template={quoteattr(template)}/>\n'
        "</XRD>\n"
    )
    return Response(body, media_type="application/xrd+xml; charset=utf-8")


@get("/.well-known/webfinger", scope=None)
async def show_webfinger(request: Asked) -> Response[dict[str, Any]]:
    """The member behind `acct:alice@our.domain` or the address of a profile page."""
    instance = instance_of(request)
    settings = instance.settings
    resource = dict(query_pairs(request)).get("resource", "")
    if not resource:
        raise BadRequest("Say whom you look for: ?resource=acct:name@" + settings.local_domain)
    async with instance.db.read() as tx:
        account = await get_account_by_address(tx, None, _address_of(resource, settings), settings)
    if not account.is_local:
        raise NotFound
    return Response(
        _jrd(account, settings),
        media_type="application/jrd+json",
        headers={"Cache-Control": "public, max-age=300"},
    )


def _address_of(resource: str, settings: Settings) -> str:
    """`name@domain` for a resource that could be ours; raises NotFound for anything else."""
    if resource.startswith("acct:"):
        name, _, domain = resource.removeprefix("acct:").partition("@")
        if name and domain.lower() == settings.local_domain:
            return name
        raise NotFound
    try:
        address = urlsplit(resource)
    except ValueError:
        raise NotFound from None
    if address.netloc.lower() == settings.local_domain:
        path = unquote(address.path)
        for start in ("/@", "/users/"):
            if path.startswith(start):
                return path.removeprefix(start)
    raise NotFound


def _jrd(account: AccountView, settings: Settings) -> dict[str, Any]:
    page = member_url(settings, account.username)
    links = [{"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": page}]
    if account.avatar_static_file:
        picture = file_url(settings, account.avatar_static_file)
        links.append({"rel": "http://webfinger.net/rel/avatar", "href": picture})
    return {
        "subject": f"acct:{account.username}@{settings.local_domain}",
        "aliases": [page],
        "links": links,
    }


routes = [show_nodeinfo_links, show_nodeinfo, show_host_meta, show_webfinger]
