"""Asks other people's servers, and never our own: the guard for every address that a stranger gave us.

A name is resolved once, every address that it has must be public, and the connection goes to the very address that was
checked, so that no second answer of the name server (DNS rebinding) leads elsewhere. No cookies, no proxies of the
environment; a body is read by `get_outside` alone. Must not be used inside a transaction.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import ada_url
import httpx
import msgspec

from parley import __version__
from parley.kit.gate import check_out
from parley.kit.settings import Settings

PORTS = frozenset({80, 443})
HOPS = 5
SECONDS = 5.0
"""For one answer; a whole chain of redirects gets three times as much."""

MOST_URL = 4000
_SPECIAL = ipaddress.ip_network("192.0.0.0/24")
"""Set aside for protocols (RFC 6890); ipaddress calls parts of it global."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HEAD_IS_REFUSED = frozenset({400, 403, 405, 406, 500, 501, 502, 503})


class OutboundRefused(Exception):
    """The address may not be asked; the text is one sentence."""


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a link led: every URL after the first, in order. `problem` says why the last one could not be asked."""

    hops: tuple[str, ...]
    problem: str = ""

    @property
    def final(self) -> str | None:
        """The last URL; None when the link led nowhere."""
        return self.hops[-1] if self.hops else None


def is_public(written: str) -> bool:
    """Whether an address belongs to the public internet, and so does every IPv4 address that hides in an IPv6 one."""
    address = ipaddress.ip_address(written.split("%")[0])
    inner: list[Any] = []
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if int(address) >> 32 == 0:
            return False  # IPv4-compatible, among them :: and ::1
    special = (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or not address.is_global
        or address in _SPECIAL
    )
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        special = False
    return not special and all(is_public(str(one)) for one in inner if one is not None)


def may_connect(address: str, port: int) -> bool:
    """Whether we may open a connection there."""
    return port in PORTS and is_public(address)


async def _checked_addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundRefused(f"{host[:100]} has no address.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(may_connect(address, port) for address in addresses):
        raise OutboundRefused(f"{host[:100]} (port {port}) is not on the public internet.")
    return addresses


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to addresses that were checked, under the name that was asked for."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve, check and send; raises OutboundRefused."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if request.url.scheme not in ("http", "https") or not host:
            raise OutboundRefused("Only http and https are asked.")
        addresses = await _checked_addresses(host, port)
        extensions = {**request.extensions, "sni_hostname": host}
        for last, address in enumerate(addresses[:3], start=1 - len(addresses[:3])):
            inner = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return await self._inner.handle_async_request(inner)
            except httpx.ConnectError:
                if last == 0:
                    raise
        raise OutboundRefused(f"{host[:100]} has no address.")

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


async def follow_link(url: str, *, hops: int = HOPS) -> Followed:
    """Find out where a link leads, by the Location headers of at most `hops` answers. Never raises for any URL."""
    seen: list[str] = []
    try:
        async with asyncio.timeout(3 * SECONDS), GuardedTransport() as transport:
            while True:
                following = await _next(transport, seen[-1] if seen else url)
                if following is None:
                    return Followed(hops=tuple(seen))
                if following in seen or following == url:
                    return Followed(hops=tuple(seen), problem="it leads in a circle")
                seen.append(following)
                if not following.startswith(("http://", "https://")):
                    return Followed(hops=tuple(seen), problem="it leads to no page")
                if len(seen) > hops:
                    return Followed(hops=tuple(seen), problem=f"it leads on more than {hops} times")
    except OutboundRefused as error:
        return Followed(hops=tuple(seen), problem=str(error))
    except TimeoutError:
        return Followed(hops=tuple(seen), problem="it did not answer in time")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        return Followed(hops=tuple(seen), problem=f"it could not be asked ({type(error).__name__})")


async def post_outside(settings: Settings, url: str, body: bytes, headers: dict[str, str]) -> int:
    """POST `body` to somebody else's https address; returns the status of the answer, which is not read.

    No redirect is followed. Raises OutboundRefused for an address that may not be asked, OSError when nobody answers,
    GateClosed on a host that may not speak for the instance.
    """
    fixed = {"user-agent": f"Parley/{__version__}", **check_out(settings)}
    try:
        asked = httpx.URL(url)
        if asked.scheme != "https" or not asked.host or asked.userinfo:
            raise OutboundRefused("Only https addresses are called.")
        fixed["host"] = asked.netloc.decode("ascii")
        async with asyncio.timeout(2 * SECONDS), GuardedTransport() as transport:
            answer = await transport.handle_async_request(
                httpx.Request(
                    "POST",
                    asked,
                    content=body,
                    headers={**fixed, **headers},
                    extensions={"timeout": httpx.Timeout(SECONDS).as_dict()},
                )
            )
            await answer.aclose()
            return answer.status_code
    except TimeoutError as error:
        raise OSError("it did not answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(f"it could not be asked ({type(error).__name__})") from error


async def get_outside(settings: Settings, url: str, *, most: int) -> bytes:
    """What somebody else's https address answers to a GET, at most `most` bytes of it.

    No redirect is followed. Raises OutboundRefused for an address that may not be asked, OSError when there is no such
    answer, GateClosed on a host that may not speak for the instance.
    """
    fixed = {"user-agent": f"Parley/{__version__}", **check_out(settings)}
    try:
        asked = httpx.URL(url)
        if asked.scheme != "https" or not asked.host or asked.userinfo:
            raise OutboundRefused("Only https addresses are called.")
        extensions = {"timeout": httpx.Timeout(SECONDS).as_dict()}
        async with asyncio.timeout(2 * SECONDS), GuardedTransport() as transport:
            request = httpx.Request("GET", asked, headers=fixed, extensions=extensions)
            answer = await transport.handle_async_request(request)
            try:
                if answer.status_code != 200:
                    raise OSError(f"the answer is {answer.status_code}")
                body = bytearray()
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > most:
                        raise OSError(f"the answer is longer than {most} bytes")
                return bytes(body)
            finally:
                await answer.aclose()
    except TimeoutError as error:
        raise OSError("it did not answer in time") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(f"it could not be asked ({type(error).__name__})") from error


async def _next(transport: GuardedTransport, url: str) -> str | None:
    """The URL to which an answer refers, None when it refers to none. The body is never read.

    The transport is asked without a client around it, which would keep cookies and read Location headers its own way.
    """
    headers = {"user-agent": f"Parley/{__version__} (finds out where links lead)", "accept": "*/*"}
    extensions = {"timeout": httpx.Timeout(SECONDS).as_dict()}
    for method in ("HEAD", "GET"):
        answer = await transport.handle_async_request(
            httpx.Request(method, url, headers=headers, extensions=extensions)
        )
        await answer.aclose()
        if method == "HEAD" and answer.status_code in _HEAD_IS_REFUSED:
            continue
        location = answer.headers.get("location", "")
        if not answer.is_redirect or not location:
            return None
        if len(location) > MOST_URL:
            raise OutboundRefused("It leads to an address that is too long.")
        return _joined(url, location)
    return None


def _joined(url: str, location: str) -> str:
    try:
        return ada_url.join_url(url, location)
    except ValueError:
        return location  # not an address that we could ask: it is judged as it stands
