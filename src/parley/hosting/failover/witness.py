"""The third place: one object in a bucket, changed only by conditional writes (If-Match, If-None-Match).

Knows how it is read and written, and when an answer proves nothing. It decides nothing about who may write.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from parley.hosting.failover.errors import FailoverError, Overtaken, WitnessError
from parley.hosting.failover.lease import MOST_BYTES, Lease, decode_lease, encode_lease, place_of
from parley.kit.files import bucket_options
from parley.kit.ids import new_token
from parley.kit.settings import LOOPBACK, Settings

PROBE_BITS = 64


class Witness:
    """The lease's object, as one host sees it. Every call ends within `seconds`, one way or another."""

    def __init__(self, settings: Settings, *, seconds: float | None = None) -> None:
        self._settings = settings
        self._seconds = seconds if seconds is not None else max(settings.lease_seconds / 3, 1.0)
        self._store, self._name = _open(settings, self._seconds)

    async def read(self) -> tuple[Lease, str] | None:
        """The lease and the mark of this writing of it (its ETag), or None when there is none yet.

        Raises WitnessError when the place does not answer, FailoverError when what lies there is not this instance's.
        """
        found = await self._get(self._name)
        return None if found is None else (decode_lease(self._settings, found[0]), found[1])

    async def write(self, lease: Lease, *, over: str | None) -> str:
        """Write the lease over the writing with the mark `over` (None: where there is none); returns its own mark.

        Raises Overtaken when something else lies there, WitnessError when it is not known whether it was written.
        """
        return await self._put(self._name, encode_lease(self._settings, lease), over)

    async def prove(self) -> None:
        """Find out whether the store really refuses what comes too late; raises FailoverError when it does not.

        There are stores that take every write and ignore the condition: with one of them two hosts could win.
        """
        name = f"{self._name}.probe-{new_token(PROBE_BITS)}"
        first = await self._put(name, b"1", None)
        try:
            await self._put(name, b"2", first)
            for late in (first, None):
                try:
                    await self._put(name, b"3", late)
                except Overtaken:
                    continue
                raise FailoverError(
                    f"The store of {place_of(self._settings)} takes writes whose condition does not hold (If-Match): "
                    "two hosts could both win there. Keep the lease in a store that refuses them."
                )
        finally:
            await self._delete(name)

    async def _get(self, name: str) -> tuple[bytes, str] | None:
        import obstore

        async def get() -> tuple[bytes, str]:
            result = await obstore.get_async(self._store, name)
            if result.meta["size"] > MOST_BYTES:
                raise FailoverError(f"What lies at {place_of(self._settings)} is too large for a lease.")
            return bytes(await result.bytes_async()), str(result.meta["e_tag"])

        try:
            return await asyncio.wait_for(get(), self._seconds)
        except (FileNotFoundError, obstore.exceptions.NotFoundError):
            return None
        except (OSError, TimeoutError, obstore.exceptions.BaseError) as error:
            raise self._unknown("read", error) from error

    async def _put(self, name: str, data: bytes, over: str | None) -> str:
        import obstore

        mode: Any = "create" if over is None else {"e_tag": over}
        try:
            put = obstore.put_async(self._store, name, data, mode=mode)
            return str((await asyncio.wait_for(put, self._seconds))["e_tag"])
        except (
            FileExistsError,
            FileNotFoundError,
            obstore.exceptions.AlreadyExistsError,
            obstore.exceptions.NotFoundError,
            obstore.exceptions.PreconditionError,
        ) as error:
            raise Overtaken(f"The lease at {place_of(self._settings)} was written by somebody else first.") from error
        except (OSError, TimeoutError, obstore.exceptions.BaseError) as error:
            raise self._unknown("written", error) from error

    async def _delete(self, name: str) -> None:
        """Remove an object; where that is not allowed, a few bytes stay."""
        import obstore

        with suppress(OSError, TimeoutError, obstore.exceptions.BaseError):
            await asyncio.wait_for(obstore.delete_async(self._store, name), self._seconds)

    def _unknown(self, what: str, error: Exception) -> WitnessError:
        said = str(error).strip().split("\n")[0][:200] or f"no answer within {self._seconds:g} s"
        return WitnessError(f"The lease at {place_of(self._settings)} cannot be {what}: {said}")


def _open(settings: Settings, seconds: float) -> tuple[Any, str]:
    """The bucket, and the object's name in it. Nothing is tried again here: a renewal that failed is made anew."""
    from obstore.store import S3Store

    place = urlsplit(settings.witness)
    given = {name: values[0] for name, values in parse_qs(place.query).items()}
    unknown = set(given) - {"endpoint", "region"}
    if unknown:
        raise FailoverError(f"PARLEY_WITNESS has {min(unknown)}= in it: only endpoint and region are known.")
    options: dict[str, Any] = dict(given)
    if place.username and place.password:
        if not given:
            raise FailoverError("PARLEY_WITNESS has a key of its own: say whose, with ?endpoint= or ?region=.")
        options |= {"access_key_id": unquote(place.username), "secret_access_key": unquote(place.password)}
        options.setdefault("endpoint", f"https://s3.{given.get('region')}.amazonaws.com")
    if "endpoint" in options:
        options["aws_endpoint_url_s3"] = options["endpoint"]  # or the environment's would go before it
    limits: Any = {
        **bucket_options(),
        "timeout": timedelta(seconds=seconds),
        "connect_timeout": timedelta(seconds=seconds),
    }
    limits["allow_http"] = limits["allow_http"] or urlsplit(given.get("endpoint", "")).hostname in LOOPBACK
    try:
        store = S3Store(place.hostname, **options, client_options=limits, retry_config={"max_retries": 0})
    except Exception as error:
        said = str(error).strip().split("\n")[0][:200]
        raise FailoverError(f"The bucket of PARLEY_WITNESS cannot be opened: {said}") from error
    return store, place.path.strip("/")
