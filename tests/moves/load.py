"""A load of writers on the two hosts, and the last look at everything afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import obstore
from obstore.store import from_url

from tests.moves.checker import Final
from tests.moves.history import REGISTERS, SETS, Event, read_events
from tests.moves.providers import NAME, Host, Person, World
from tests.moves.wires import CHECKOUT
from tests.moves.writers import KEY, Job, Orders

EVERYTHING = ("post", "message", "upload", "follow", "favourite")


class Load:
    """Writers at work. Made by `writing()`; `events` may be asked at any time."""

    def __init__(self, world: World, orders: Orders, first: Host) -> None:
        self.world = world
        self.orders = orders
        self.held_before = {one for ids in asyncio.run(held_uploads(first, orders)).values() for one in ids}
        self.log = Path(orders.log)
        config = self.log.with_suffix(".json")
        config.write_bytes(msgspec.json.encode(orders))
        self._process = subprocess.Popen(
            [*world.network["clients"].prefix, sys.executable, "-m", "tests.moves.writers", str(config)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
        )

    @property
    def events(self) -> list[Event]:
        """All that was noted so far."""
        return read_events(self.log)

    @property
    def acknowledged(self) -> int:
        """How many operations have been acknowledged so far."""
        return self.log.read_bytes().count(b'"type":"ok"') if self.log.exists() else 0

    def wait(self, more: int, patience: float = 60) -> None:
        """Wait until so many more operations have been acknowledged."""
        goal = self.acknowledged + more
        deadline = time.monotonic() + patience
        while self.acknowledged < goal:
            assert self._process.poll() is None, "the writers have ended"
            assert time.monotonic() < deadline, f"only {self.acknowledged} of {goal} acknowledged\n{self.last_words()}"
            time.sleep(0.05)

    def last_words(self) -> str:
        """The newest events that went wrong."""
        wrong = [one for one in self.events if one.type in ("try", "fail", "unknown")]
        return "\n".join(msgspec.json.encode(one).decode() for one in wrong[-8:])

    def stop(self, patience: float = 90) -> list[Event]:
        """Let each writer finish what it has begun; returns everything."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        finally:
            self.kill()
        return self.events

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(10)


def prepare_people(world: World, kinds: dict[str, int], *, host: Host | None = None) -> list[Job]:
    """Members for so many writers of each kind, what they follow and favourite, and their orders."""
    crowd = world.people("alice", "bob", "remote_rei", host=host)
    _report(host or world.a, *crowd[:2])
    jobs = []
    for kind, count in kinds.items():
        for at in range(count):
            (person,) = world.people(f"{kind}{at}", host=host)
            jobs.append(Job(writer=person.name, kind=kind, account=str(person.id), token=person.token))
    seeds = _seeds(world, crowd, host or world.a) if "favourite" in kinds else []
    targets = {"message": ["alice"], "follow": [str(one.id) for one in crowd], "favourite": seeds}
    return [msgspec.structs.replace(job, targets=targets.get(job.kind, [])) for job in jobs]


def _report(host: Host, person: Person, about: Person) -> None:
    """A report, so that the moderation log has something to prove."""
    answer = httpx.post(
        f"http://{host.address}/api/v1/reports",
        json={"account_id": str(about.id), "comment": "Please have a look."},
        headers={"Host": NAME, "Authorization": f"Bearer {person.token}"},
    )
    answer.raise_for_status()


def _seeds(world: World, crowd: list[Person], host: Host) -> list[str]:
    """Posts to favourite: the same ones in every load of a world."""
    made = world.folder / "seeds.json"
    if made.exists():
        return list(json.loads(made.read_text()))
    ids = []
    for at, person in enumerate(crowd):
        answer = httpx.post(
            f"http://{host.address}/api/v1/statuses",
            json={"status": f"seed-{at:05d} something to like"},
            headers={"Host": NAME, "Authorization": f"Bearer {person.token}"},
        )
        answer.raise_for_status()
        ids.append(answer.json()["id"])
    made.write_text(json.dumps(ids))
    return ids


_loads = iter(range(10_000))


@contextmanager
def writing(
    world: World, kinds: dict[str, int] | None = None, *, host: Host | None = None, **options: Any
) -> Iterator[Load]:
    """Writers that work inside the block; `kinds` is how many of each, by default one of each kind and two who post.

    `host` is where people are made and who is asked first. `options` are those of writers.Orders. Each load has writers
    of its own, so that one world can bear many.
    """
    number = next(_loads)
    wanted = {"post": 2, "message": 1, "upload": 1, "follow": 1, "favourite": 1} if kinds is None else kinds
    first = host or world.a
    jobs = [
        msgspec.structs.replace(job, writer=f"{job.kind}{number * 100 + at}")
        for at, job in enumerate(prepare_people(world, wanted, host=first))
    ]
    orders = Orders(
        jobs=jobs,
        hosts=[first.address, world.other(first).address],
        name=NAME,
        log=str(world.folder / f"load{number}.jsonl"),
        dns=world.dns_server,
        **options,
    )
    load = Load(world, orders, first)
    try:
        yield load
    finally:
        load.kill()


def read_final(load: Load, host: Host) -> Final:
    """What is there at the end, by the API of the host that is the primary now."""
    return asyncio.run(_read_final(load, host))


async def _read_final(load: Load, host: Host) -> Final:
    counts: dict[str, int] = {}
    switches: dict[str, bool] = {}
    async with httpx.AsyncClient(base_url=f"http://{host.address}", headers={"Host": NAME}, timeout=30) as client:
        for job in load.orders.jobs:
            mine = {"Authorization": f"Bearer {job.token}"}
            if job.kind in SETS:
                for key in await _all_keys(client, job, mine):
                    counts[key] = counts.get(key, 0) + 1
            if job.kind in REGISTERS:
                for target in job.targets:
                    switches[f"{job.writer}/{target}"] = await _is_on(client, job.kind, target, mine)
        files: dict[str, str] = {}
        urls: dict[str, str] = {}
        tokens = {job.writer: job.token for job in load.orders.jobs}
        for event in load.events:
            if event.type == "ok" and event.kind == "upload":
                mine = {"Authorization": f"Bearer {tokens[event.writer]}"}
                files[event.key], urls[event.key] = await _file_hash(client, event.id, mine)
    held = {
        writer: tuple(one for one in ids if one not in load.held_before)
        for writer, ids in (await held_uploads(host, load.orders)).items()
    }
    places = {key: url for key, url in urls.items() if url}
    return Final(counts=counts, switches=switches, files=files, urls=places, held=held)


async def _all_keys(client: httpx.AsyncClient, job: Job, headers: dict[str, str]) -> list[str]:
    keys: list[str] = []
    path: str | None = f"/api/v1/accounts/{job.account}/statuses?limit=40"
    while path:
        answer = await client.get(path, headers=headers)
        answer.raise_for_status()
        page = answer.json()
        keys += [key for status in page for key in KEY.findall(status["content"])[:1]]
        path = f"/api/v1/accounts/{job.account}/statuses?limit=40&max_id={page[-1]['id']}" if page else None
    return [key for key in keys if key.startswith(f"{job.writer}-")]


async def _is_on(client: httpx.AsyncClient, kind: str, target: str, headers: dict[str, str]) -> bool:
    if kind == "follow":
        answer = await client.get(f"/api/v1/accounts/relationships?id[]={target}", headers=headers)
        answer.raise_for_status()
        return bool(answer.json()[0]["following"])
    answer = await client.get(f"/api/v1/statuses/{target}", headers=headers)
    return answer.status_code == 200 and bool(answer.json()["favourited"])


async def _file_hash(client: httpx.AsyncClient, media_id: str, headers: dict[str, str]) -> tuple[str, str]:
    """SHA-256 of the file of an upload, as it is served, and where; or why there is none, and nothing. Waits until it
    has been prepared."""
    said = "is not there"
    for _ in range(480):
        answer = await client.get(f"/api/v1/media/{media_id}", headers=headers)
        if answer.status_code == 206:
            said = "was never prepared"
            await asyncio.sleep(0.25)
            continue
        if answer.status_code != 200 or not answer.json().get("url"):
            return f"the upload {'is not there' if answer.status_code == 404 else f'answers {answer.status_code}'}", ""
        url = str(answer.json()["url"])
        file = await client.get("/" + url.split("/", 3)[3])
        if file.status_code != 200:
            return f"its file answers {file.status_code}", ""
        return hashlib.sha256(file.content).hexdigest(), url
    return said, ""


async def held_uploads(host: Host, orders: Orders) -> dict[str, tuple[str, ...]]:
    """Ids of all that each writer has ever uploaded, as the database has it: no page of the API lists them."""
    uploading = [job for job in orders.jobs if job.kind == "upload"]
    if not uploading:
        return {}
    connection = await asyncpg.connect(host.dsn, timeout=10)
    try:
        found = {}
        for job in uploading:
            rows = await connection.fetch("SELECT id FROM media WHERE account_id = $1 ORDER BY id", int(job.account))
            found[job.writer] = tuple(str(row["id"]) for row in rows)
        return found
    finally:
        await connection.close()


def kept_files(host: Host) -> Iterator[tuple[str, str]]:
    """Every kept file of a host, below the name of its area, and the SHA-256 of its bytes; in folders or a bucket."""
    for area in ("media", "evidence"):
        if bucket := host.environment.get("PARLEY_MEDIA_STORE"):
            store = in_bucket(host, f"{bucket}/{area}")
            for one in obstore.list(store).collect():
                content = obstore.get(store, one["path"]).bytes()
                yield f"{area}/{one['path']}", hashlib.sha256(content).hexdigest()
            continue
        for path in sorted((host.folder / area).rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                # What is being written has another name until it is whole: object_store puts # and a number behind it.
                if path.is_file() and "#" not in path.name and not path.name.startswith("."):
                    yield str(path.relative_to(host.folder)), hashlib.sha256(path.read_bytes()).hexdigest()


def in_bucket(host: Host, url: str) -> Any:
    """A store of the world, as the machine that tests run on reaches it."""
    keys = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    return from_url(url, endpoint=host.world.s3, client_options={"allow_http": True}, **keys)


def stored_files(host: Host) -> dict[str, str]:
    """Every kept file of a host and its hash: what two hosts must agree on."""
    return dict(kept_files(host))


def damaged_files(stored: Mapping[str, str]) -> list[str]:
    """Names of stored files whose bytes are not what their names promise."""
    named = ((name, name.rsplit("/", 1)[-1].split("-")[0], digest) for name, digest in stored.items())
    return [name for name, promised, digest in named if name.startswith("media/content/") and promised != digest]
