"""Members who write over HTTP and note what they were told: `python -m tests.moves.writers CONFIG.json`.

Each writer does one thing after the other. What nobody can know the end of (a connection that broke, a 503) is tried
again at the host that answers, as a good app does: posts and messages with the same Idempotency-Key, switches as they
are, and uploads as they are too, because Mastodon's API knows no key for them. The process ends when its standard input
ends: each writer finishes what it has begun.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import re
import sys
import time
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec

from tests.moves.history import Event, write_line

KEY = re.compile(r"\b(?:post|message|upload|seed)\d*-\d{5}\b")
WORDS = [
    "tea",
    "trains",
    "rain",
    "garden",
    "bread",
    "river",
    "music",
    "paint",
    "stars",
    "moss",
    "kettle",
    "bicycle",
    "harbour",
    "lantern",
    "orchard",
    "pebble",
]
AGAIN_AFTER = 0.1
"""Seconds until something is tried again. Apps that heed Retry-After wait longer; these want to know the moment."""

READ_EVERY = 8
SURELY_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Job(msgspec.Struct, kw_only=True):
    """One writer's orders."""

    writer: str
    kind: str
    account: str
    token: str
    targets: list[str] = []
    """Of a message: whom it goes to. Of switches: the accounts to follow, the posts to favourite."""


class Orders(msgspec.Struct, kw_only=True):
    """All that the process is told."""

    jobs: list[Job]
    hosts: list[str]
    name: str
    log: str
    resolve: str = "both"
    """`both`: the address that answered last, and the other one when it does not. `stay`: the first address always.
    `dns`: what the name server says, asked twice a second."""

    dns: tuple[str, int] = ("", 0)
    most: int = 100_000
    """Operations of each writer."""

    pace: float = 0.05
    """Seconds between two operations of a writer."""

    patience: float = 20.0
    """Seconds for one request."""

    until_unknown: float = 60.0
    """Seconds of trying again until an operation is given up."""

    disconnects: float = 0.0
    """Share of the requests at which the client hangs up while it is answered."""

    seed: int = 1


class Way:
    """Which host is asked now."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._at = 0
        self._named = orders.hosts[0]

    @property
    def now(self) -> str:
        """host:port"""
        return self._named if self._orders.resolve == "dns" else self._orders.hosts[self._at]

    def gave_nothing(self, tried: str) -> None:
        """Try another one, where that is the way; whoever asked somebody else meanwhile changes nothing."""
        if self._orders.resolve == "both" and tried == self.now:
            self._at = (self._at + 1) % len(self._orders.hosts)

    async def follow_name(self) -> None:
        """Ask the name server again and again."""
        from parley.hosting.dns import NamesError, ask_server

        port = self._orders.hosts[0].rsplit(":", 1)[1]
        while True:
            try:
                found = await ask_server(self._orders.name.split(":")[0], *self._orders.dns)
                self._named = f"{found.all[0]}:{port}" if found.all else self._named
            except NamesError:
                pass
            await asyncio.sleep(0.5)


class Writer:
    """One member at work."""

    def __init__(self, job: Job, orders: Orders, way: Way, log: IO[bytes], stop: asyncio.Event) -> None:
        self._job = job
        self._orders = orders
        self._way = way
        self._log = log
        self._stop = stop
        self._dice = random.Random(f"{orders.seed}-{job.writer}")
        self._number = 0
        self._value = False
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {job.token}", "Host": orders.name},
            timeout=httpx.Timeout(orders.patience, connect=2.0),
        )

    async def run(self) -> None:
        """Work until told to stop."""
        try:
            while not self._stop.is_set() and self._number < self._orders.most:
                self._number += 1
                await self._operate()
                if self._job.kind in ("post", "message") and self._number % READ_EVERY == 0:
                    await self._read()
                await asyncio.sleep(self._orders.pace * self._dice.uniform(0.5, 1.5))
        finally:
            await self._client.aclose()

    def _note(self, type: Any, key: str, **more: Any) -> None:
        one = Event(
            at=time.monotonic(),
            type=type,
            writer=self._job.writer,
            number=self._number,
            kind=self._job.kind,
            key=key,
            value=self._value,
            **more,
        )
        self._log.write(write_line(one))
        self._log.flush()

    def _request(self) -> tuple[str, str, dict[str, Any]]:
        """Key, path and content of the next operation."""
        key = f"{self._job.writer}-{self._number:05d}"
        text = f"{key} {' '.join(self._dice.sample(WORDS, 6))}"
        if self._job.kind == "upload":
            return key, "/api/v2/media", {"files": {"file": (f"{key}.png", picture(key), "image/png")}}
        if self._job.kind in ("post", "message"):
            content: dict[str, Any] = {"status": text, "visibility": "public"}
            if self._job.kind == "message":
                content = {"status": f"@{self._job.targets[0]} {text}", "visibility": "direct"}
            return key, "/api/v1/statuses", {"json": content, "headers": {"Idempotency-Key": key}}
        target = self._job.targets[(self._number - 1) // 2 % len(self._job.targets)]
        self._value = self._number % 2 == 1
        verb = {"follow": ("follow", "unfollow"), "favourite": ("favourite", "unfavourite")}[self._job.kind]
        place = "accounts" if self._job.kind == "follow" else "statuses"
        return target, f"/api/v1/{place}/{target}/{verb[0 if self._value else 1]}", {}

    async def _operate(self) -> None:
        key, path, content = self._request()
        self._note("invoke", key)
        deadline = time.monotonic() + self._orders.until_unknown
        sent = False
        while True:
            host = self._way.now
            try:
                answer = await self._ask(host, path, content)
            except (httpx.TransportError, TimeoutError) as error:
                sent = sent or not isinstance(error, SURELY_NOT_SENT)
                on_purpose = isinstance(error, TimeoutError)
                self._note("try", key, host=host, error=type(error).__name__, on_purpose=on_purpose)
                if not on_purpose:
                    self._way.gave_nothing(host)
            else:
                if answer.is_success:
                    said = answer.json()
                    self._note("ok", key, id=str(said.get("id", "")), status=answer.status_code, host=host)
                    if self._job.kind == "upload":
                        await self._look_at_file(key, str(said["id"]))
                    return
                error_text = answer.text[:200]
                if answer.status_code < 500 and answer.status_code != 429:
                    self._note("fail", key, status=answer.status_code, host=host, error=error_text)
                    return
                sent = True
                self._note("try", key, status=answer.status_code, host=host, error=error_text)
                self._way.gave_nothing(host)
            if time.monotonic() > deadline:
                self._note("unknown" if sent else "fail", key, host=host)
                return
            await asyncio.sleep(AGAIN_AFTER)

    async def _ask(self, host: str, path: str, content: dict[str, Any]) -> httpx.Response:
        asking = self._client.post(f"http://{host}{path}", **content)
        if self._dice.random() >= self._orders.disconnects:
            return await asking
        async with asyncio.timeout(self._dice.uniform(0.002, 0.03)):
            return await asking

    async def _read(self) -> None:
        """See what is there now: the newest forty of one's own."""
        began = time.monotonic()
        host = self._way.now
        path = f"/api/v1/accounts/{self._job.account}/statuses?limit=40"
        try:
            answer = await self._client.get(f"http://{host}{path}")
            answer.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
            self._note("try", "read", host=host, status=status, error=type(error).__name__)
            self._way.gave_nothing(host)
            return
        page = answer.json()
        found = tuple(key for status in page for key in KEY.findall(status["content"])[:1])
        first = 0 if len(page) < 40 else min((int(key.rsplit("-", 1)[1]) for key in found), default=0)
        one = Event(
            at=time.monotonic(),
            type="seen",
            writer=self._job.writer,
            number=first,
            kind=self._job.kind,
            key="read",
            began=began,
            found=found,
            host=host,
        )
        self._log.write(write_line(one))

    async def _look_at_file(self, key: str, media_id: str) -> None:
        """Wait until an upload is served, and note its bytes; if that takes too long, the end will tell."""
        for _ in range(40):
            try:
                answer = await self._client.get(f"http://{self._way.now}/api/v1/media/{media_id}")
                url = answer.json().get("url") if answer.status_code == 200 else None
                if url:
                    path = "/" + url.split("/", 3)[3]
                    file = await self._client.get(f"http://{self._way.now}{path}")
                    if file.status_code == 200:
                        digest = hashlib.sha256(file.content).hexdigest()
                        self._note("seen", key, id=media_id, url=url, sha256=digest)
                        return
            except (httpx.HTTPError, ValueError):
                pass
            if self._stop.is_set():
                return
            await asyncio.sleep(0.25)


def picture(key: str) -> bytes:
    """A small picture that no other key has."""
    from PIL import Image

    dice = random.Random(key)
    image = Image.frombytes("RGB", (24, 24), dice.randbytes(24 * 24 * 3))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


async def work(orders: Orders) -> None:
    """Let all writers work until the standard input ends or all have done their share."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, sys.stdin.read).add_done_callback(lambda _: stop.set())
    way = Way(orders)
    named = asyncio.create_task(way.follow_name()) if orders.resolve == "dns" else None
    with Path(orders.log).open("ab") as log:
        await asyncio.gather(*(Writer(job, orders, way, log, stop).run() for job in orders.jobs))
    if named:
        named.cancel()


def main() -> None:
    """Read the orders and work."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders)))
    os._exit(0)  # a thread may still wait for the standard input


if __name__ == "__main__":
    main()
