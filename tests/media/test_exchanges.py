"""Programmes that share hashes: fetched step by step into a bank, told of false positives; over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from parley.kit.errors import Forbidden, Invalid
from parley.social.media import exchanges, hash_banks, hash_lists
from tests.conftest import World
from tests.media.known import make_bank
from tests.policies.conftest import staff

pytest.importorskip("threatexchange", reason="the extra `exchanges` is not installed")

KEYS = {"subscription_key": "s3cret-subscription", "fetch_function_key": "s3cret-fetch"}


class Programme(ThreadingHTTPServer):
    """A server that speaks StopNCII's and NCMEC's interfaces as their clients document them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.records: list[dict[str, Any]] = []
        self.entries = ""
        self.page_size = 2
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.told: list[tuple[str, str]] = []
        self.broken = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Programme

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.server.asked.append((parts.path, query, dict(self.headers)))
        if self.server.broken:
            self._answer(403, "no")
        elif parts.path == "/FetchHashes":
            self._fetch_hashes(query)
        elif parts.path == "/v2/entries":
            self._answer(200, self.server.entries, "application/xml")
        elif parts.path == "/v2/feedback/PDQ/reasons":
            self._answer(200, REASONS, "application/xml")
        else:
            self._answer(404, "")

    def _fetch_hashes(self, query: dict[str, list[str]]) -> None:
        start = int(query["startTimestamp"][0])
        place = int(query.get("nextPageToken", ["0"])[0])
        records = [one for one in self.server.records if one["lastModtimestamp"] > start]
        page = records[place : place + self.server.page_size]
        more = place + self.server.page_size < len(records)
        newest = max([one["lastModtimestamp"] for one in page], default=start)
        answer = {
            "count": len(page),
            "nextPageToken": str(place + self.server.page_size) if more else None,
            "nextSetTimestamp": newest,
            "hasMoreRecords": more,
            "hashRecords": page,
        }
        self._answer(200, json.dumps(answer))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.told.append((self.path, body))
        self._answer(500 if self.server.broken else 200, "{}")

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, status: int, body: str, kind: str = "application/json") -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


REASONS = """<?xml version="1.0"?><availableFeedbackReasons xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
<reason><guid>guid-1</guid><name>Not it</name></reason></availableFeedbackReasons>"""


@pytest.fixture
def programme() -> Iterator[Programme]:
    server = Programme()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def record(number: int, moment: int, *, status: str = "Active", kind: str = "ImagePDQ", **more: Any) -> dict[str, Any]:
    width = 64 if kind == "ImagePDQ" else 32
    return {
        "lastModtimestamp": moment,
        "signalType": kind,
        "hashValue": f"{number:0{width}x}",
        "hashStatus": status,
        "caseNumbers": {"1": status},
        "CSPFeedbacks": more.get("feedbacks", []),
    }


async def set_up(world: World, api: str, config: dict[str, Any], credentials: dict[str, str] | None = None) -> None:
    bank = await make_bank(world, "quarantine", clause="4.3", name="shared")
    async with world.instance.db.write() as tx:
        await exchanges.set_exchange(
            tx, world.settings, None, "them", api=api, bank=bank, config=config, credentials=credentials
        )


async def held(world: World) -> list[str]:
    async with world.instance.db.read() as tx:
        return [f"{one.kind} {one.hash.hex().lstrip('0')}" for one in await hash_lists.list_all(tx, "shared")]


async def test_hashes_are_fetched_page_by_page_and_the_next_run_goes_on(world: World, programme: Programme) -> None:
    programme.records = [record(number, 100 + number) for number in range(1, 6)]
    programme.records.append(record(9, 110, kind="VideoMD5"))
    programme.records.append(record(8, 111, kind="Text"))
    await set_up(world, "stopncii", {"base_url": programme.url}, KEYS)
    done = await exchanges.fetch_exchange(world.instance, "them")
    assert (done.steps, done.added, done.done) == (4, 6, True)
    assert await held(world) == ["pdq 1", "pdq 2", "pdq 3", "pdq 4", "pdq 5", "md5 9"]
    assert programme.asked[0][2]["x-functions-key"] == KEYS["fetch_function_key"]

    programme.records += [record(2, 200, status="Withdrawn"), record(6, 201)]
    done = await exchanges.fetch_exchange(world.instance, "them")
    assert programme.asked[-1][1]["startTimestamp"] == ["111"]
    assert (done.added, done.withdrawn) == (1, 1)
    assert await held(world) == ["pdq 1", "pdq 3", "pdq 4", "pdq 5", "md5 9", "pdq 6"]
    async with world.instance.db.read() as tx:
        facts = await tx.fetch("SELECT payload FROM events WHERE type = 'HashesBanked'")
    assert sum(fact[0]["hashes"] for fact in facts) == 7


async def test_what_members_of_the_programme_dispute_is_only_logged(world: World, programme: Programme) -> None:
    for_it = {"feedbackValue": "Blocked", "tags": ["nude"], "source": "one"}
    against = {"feedbackValue": "NotBlocked", "tags": [], "source": "two"}
    programme.records = [record(1, 101, feedbacks=[for_it]), record(2, 102, feedbacks=[for_it, against])]
    await set_up(world, "stopncii", {"base_url": programme.url}, KEYS)
    await exchanges.fetch_exchange(world.instance, "them")
    async with world.instance.db.read() as tx:
        rows = await hash_lists.list_newest(tx, "shared", 10)
    assert [(row.state, row.tags) for row in rows] == [("BACKGROUND", ["nude"]), ("LIVE", ["nude"])]


async def test_a_false_positive_goes_back_and_does_not_come_again(world: World, programme: Programme) -> None:
    programme.records = [record(1, 101), record(2, 102)]
    await set_up(world, "stopncii", {"base_url": programme.url}, {**KEYS, "feedback_function_key": "f"})
    await exchanges.fetch_exchange(world.instance, "them")
    async with world.instance.db.write() as tx:
        (_, row) = await hash_lists.list_newest(tx, "shared", 10)
        await hash_banks.dispute_entry(tx, row.entry)
    await world.run_jobs()
    ((path, body),) = programme.told
    assert path == "/SubmitFeedback"
    assert json.loads(body)["hashFeedbacks"] == [{"tags": [], "feedbackValue": "NotBlocked", "hashValue": f"{1:064x}"}]
    assert await held(world) == ["pdq 2"]
    programme.records = [record(1, 300)]
    await exchanges.fetch_exchange(world.instance, "them")
    assert await held(world) == ["pdq 2"]
    await exchanges.send_hash_opinions(world.instance, {})
    assert len(programme.told) == 1


async def test_a_programme_that_takes_no_feedback_is_not_told(world: World, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text(f"pdq {1:064x}\npdq {2:064x}\n")
    await set_up(world, "local_file", {"filename": str(file)})
    assert (await exchanges.fetch_exchange(world.instance, "them")).added == 2
    async with world.instance.db.write() as tx:
        (row, _) = await hash_lists.list_newest(tx, "shared", 10)
        await hash_banks.dispute_entry(tx, row.entry)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM hash_opinions") == "unsupported"


async def test_a_list_that_is_read_whole_each_time_forgets_what_is_gone_and_repeats_nothing(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "list"
    file.write_text(f"pdq {1:064x}\nvideo_md5 {2:032x}\n")
    await set_up(world, "local_file", {"filename": str(file)})
    await exchanges.fetch_exchange(world.instance, "them")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE hash_exchanges SET checkpoint = NULL")
    file.write_text(f"pdq {1:064x}\npdq {3:064x}\n")
    done = await exchanges.fetch_exchange(world.instance, "them")
    assert (done.added, done.withdrawn) == (1, 1)
    assert await held(world) == ["pdq 1", "pdq 3"]


async def test_the_sample_programme_fills_a_bank(world: World) -> None:
    await set_up(world, "sample", {})
    assert (await exchanges.fetch_exchange(world.instance, "them")).added > 10
    assert (await exchanges.fetch_exchange(world.instance, "them")).added == 0


ENTRIES = """<?xml version="1.0"?>
<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2">
  <images count="2" maxTimestamp="2026-01-02T00:00:00Z">
    <image><member id="42">Somebody</member><timestamp>2026-01-01T00:00:00Z</timestamp><id>image1</id>
      <classification>A1</classification>
      <fingerprints><md5>{md5}</md5><sha1>{sha1}</sha1><pdq>{pdq}</pdq></fingerprints></image>
    <deletedImage><member id="42">Somebody</member><id>image4</id>
      <timestamp>2026-01-01T00:00:00Z</timestamp></deletedImage>
  </images>
</queryResult>"""


async def test_entries_of_ncmec_bring_all_kinds_of_hash_and_take_a_vote(world: World, programme: Programme) -> None:
    programme.entries = ENTRIES.format(md5="a" * 32, sha1="b" * 40, pdq="c" * 64)
    config = {"environment": "test_Industry", "base_url": programme.url, "negative_reason": "guid-1"}
    await set_up(world, "ncmec", config, {"user": "me", "password": "s3cret"})
    done = await exchanges.fetch_exchange(world.instance, "them")
    assert done.added == 3
    assert await held(world) == [f"md5 {'a' * 32}", f"sha1 {'b' * 40}", f"pdq {'c' * 64}"]
    async with world.instance.db.write() as tx:
        entries = await hash_lists.list_newest(tx, "shared", 10)
        await hash_banks.dispute_entry(tx, entries[0].entry)
    await world.run_jobs()
    ((path, body),) = programme.told
    assert path == "/v2/entries/42/image1/PDQ/feedback"
    assert "guid-1" in body


async def test_credentials_are_sealed_and_an_error_does_not_show_them(world: World, programme: Programme) -> None:
    await set_up(world, "stopncii", {"base_url": programme.url}, KEYS)
    programme.broken = True
    with pytest.raises(Invalid, match="HTTP status 403"):
        await exchanges.fetch_exchange(world.instance, "them")
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT * FROM hash_exchanges")
    assert "s3cret" not in str(dict(row))
    assert row["error"] == "HTTPError, HTTP status 403"
    await exchanges.fetch_hash_exchanges(world.instance, {})  # One that fails ends no job.


async def test_what_is_missing_is_said_when_a_programme_is_set_up(world: World) -> None:
    for api, config, credentials, said in (
        ("stopncii", {}, {}, "needs the credentials"),
        ("ncmec", {"environment": "Mars"}, {"user": "a", "password": "b"}, "incomplete or wrong"),
        ("fb_threatexchange", {"privacy_group": "1"}, {"api_token": "short"}, "incomplete"),
        ("interpol", {}, {}, "is not a programme"),
    ):
        await make_bank(world, "hold", name="shared", change=True)
        async with world.instance.db.write() as tx:
            with pytest.raises(Invalid, match=said):
                await exchanges.set_exchange(
                    tx, world.settings, None, "x", api=api, bank="shared", config=config, credentials=credentials
                )


async def test_a_programme_behind_which_one_person_stands_brings_in_no_more_than_one_person_may(
    world: World, programme: Programme
) -> None:
    programme.records = [record(number, 100 + number) for number in range(1, 503)]
    programme.page_size = 200
    bank = await make_bank(world, "quarantine", clause="4.3", name="shared")
    mia, ben = await staff(world, "mod_mia", "moderator"), await staff(world, "mod_ben", "moderator")

    async def set_it(config: dict[str, Any], **options: Any) -> None:
        async with world.instance.db.write() as tx:
            await exchanges.set_exchange(
                tx, world.settings, mia, "them", api="stopncii", bank=bank, config=config, credentials=None, **options
            )

    await set_up_by(world, mia, programme.url)
    with pytest.raises(Invalid, match="two people must stand behind it: `parley bank exchanges approve them"):
        await exchanges.fetch_exchange(world.instance, "them")
    assert len(await held(world)) == 400, "what came before that stays, and nothing was skipped"
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden, match="You set this exchange up"):
            await exchanges.approve_exchange(tx, mia, "them")
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await exchanges.approve_exchange(tx, await staff(world, "spam_sam", "member"), "them")
    async with world.instance.db.write() as tx:
        assert await exchanges.approve_exchange(tx, ben, "them") is True
    await set_it({"base_url": programme.url}, enabled=True)
    done = await exchanges.fetch_exchange(world.instance, "them")
    assert (done.done, len(await held(world))) == (True, 502)
    await set_it({"base_url": "https://other.example"})
    async with world.instance.db.read() as tx:
        (row,) = await exchanges.list_exchanges(tx)
    assert not exchanges.stands(row), "who stood behind it did so for another address"


async def set_up_by(world: World, who: Any, url: str) -> None:
    async with world.instance.db.write() as tx:
        await exchanges.set_exchange(
            tx,
            world.settings,
            who,
            "them",
            api="stopncii",
            bank="shared",
            config={"base_url": url},
            credentials=KEYS,
        )
