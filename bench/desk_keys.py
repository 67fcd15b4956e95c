"""How many keys and seconds a routine case takes: the real console in Chromium, by keyboard alone.

python -m bench.desk_keys                  50 cases of seven kinds
python -m bench.desk_keys --cases 14

Members post over the API and others report them; then one moderator presses `n` and decides case after case with the
keys of docs/moderators/desk.md, as somebody who knows them would. Counted are the keys of each case, and measured the
time in which the moderator waits for the machine: from the key that asks for the review until that can be confirmed,
and from the key that confirms until the next case can be read.

What a person needs besides cannot be measured by a machine. It is printed as the assumption that it is: reading what
the case shows of the post and of the first report at 238 words a minute (Brysbaert 2019, silent reading of English
non-fiction), and for each key 0.28 s with one choice of 1.35 s before (Card, Moran and Newell 1980, the keystroke-level
model: an average typist, and mental preparation). Posts have about twenty words. Thinking about a hard case is not in
it, nor is the letter that the author gets: it is ready, and a trained moderator knows it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from bench.page import Row
from bench.world import WORDS, seed_world
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from tests.live import PASSWORD, LiveServer

CASES = 50
REPORTERS = 12
WORDS_A_MINUTE = 238
SECONDS_A_KEY, SECONDS_A_CHOICE = 0.28, 1.35
TARGET_KEYS, TARGET_SECONDS = "at most 4 keys", "under 10 s"
CHROMIUM = "/usr/bin/chromium"
LONGEST = 20_000
"""Milliseconds until a page that does not come is a failure."""

KINDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "as suggested": ("7.1", "{}. My tonic cures every illness, {}, write to me and pay today.", "Spam, again.", ()),
    "nothing broken": ("3.1", "{}. I do not agree with the council at all, {}, and I will say so.", "Rude!", ("0",)),
    "another clause": ("7.1", "{}. This is the mayor's own account, {}, send me your papers.", "Not him.", ("7", "3")),
    "marked sensitive": ("4.1", "{}. A drawing class with a nude model, {}, all evening long.", "At work!", ("s",)),
    "shown to fewer": ("8.2", "{}. Buy the same book again and again, {}, from my shop.", "Every day.", ("l",)),
    "with a picture": ("4.1", "{}. A picture of mine, {}, please look.", "At work!", ("x", "s")),
    "with its copies": ("7.1", "{}. Double your savings by Friday, {}, only at our counter.", "Fraud.", ("y",)),
}
"""Of each kind: the clause that is reported, what the post says, what the reporter says, the keys before the review."""
COPIES = 3


@dataclass
class Found:
    """What the cases took: keys, seconds of waiting, words to read; and how many there were of each kind."""

    keys: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def people(self) -> list[float]:
        """Seconds that a person is assumed to need for each case: reading, one choice, the keys."""
        return [
            60 * words / WORDS_A_MINUTE + SECONDS_A_CHOICE + SECONDS_A_KEY * keys
            for words, keys in zip(self.words, self.keys, strict=True)
        ]


def measure(cases: int) -> Found:
    """Start an instance, bring `cases` cases before the moderators, and decide them all."""
    with LiveServer.started(PARLEY_LOG_LEVEL="warning") as server:
        settings = load_settings({key: value for key, value in server.environment.items() if key.startswith("PARLEY_")})
        asyncio.run(_seed(EmbeddedPostgres(settings).dsn, cases))
        server.account("mod_mia", role="moderator")
        whose = _make_cases(server, cases)
        return asyncio.run(_decide_all(server, whose))


async def _seed(dsn: str, cases: int) -> None:
    """Members who have been here for a while: newcomers' posts would be held, and could not be reported."""
    connection = await asyncpg.connect(dsn)
    try:
        members = cases * (1 + COPIES) + REPORTERS + 10
        await seed_world(connection, accounts=members, follows=2, posts=members, fan_out=False)
    finally:
        await connection.close()


def _make_cases(server: LiveServer, cases: int) -> dict[str, str]:
    """Post and report; returns the kind of each author's case."""
    dice = random.Random(20_261_122)
    whose: dict[str, str] = {}
    names = list(KINDS)
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        for number in range(cases):
            kind = names[number % len(names)]
            clause, text, comment, _ = KINDS[kind]
            author = number + 1
            many = 12 if kind == "with its copies" else 4  # series that are like each other would be held as a brigade
            said = text.format(_words(dice, many).capitalize(), _words(dice, many))
            files = [_picture(client, author, dice)] if kind == "with a picture" else []
            status = _post(client, author, said, files)
            whose[status["account"]["acct"]] = kind
            for copy in range(COPIES if kind == "with its copies" else 0):
                _post(client, cases + number * COPIES + copy + 1, said)
            body = {
                "account_id": status["account"]["id"],
                "status_ids": [status["id"]],
                "rule_ids": [clause],
                "category": "violation",
                "comment": comment,
            }
            reporter = cases * (1 + COPIES) + 1 + number % REPORTERS
            answer = client.post("/api/v1/reports", json=body, headers=_as(reporter))
            if answer.is_error:
                raise SystemExit(f"{said!r} cannot be reported: {answer.text} {status.get('moderation')}")
    return whose


def _words(dice: random.Random, many: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(many))


def _as(member: int) -> dict[str, str]:
    return {"authorization": f"Bearer bench-token-{member}"}


def _picture(client: httpx.Client, member: int, dice: random.Random) -> str:
    """Upload a picture that no other is like, and wait until it can be posted; returns its id."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.frombytes("RGB", (24, 18), dice.randbytes(24 * 18 * 3)).resize((640, 480)).save(out, "PNG")
    sent = client.post("/api/v2/media", files={"file": ("a.png", out.getvalue(), "image/png")}, headers=_as(member))
    sent.raise_for_status()
    media_id = str(sent.json()["id"])
    for _ in range(300):
        if client.get(f"/api/v1/media/{media_id}", headers=_as(member)).status_code == 200:
            return media_id
        time.sleep(0.1)
    raise SystemExit("The picture was not ready within half a minute.")


def _post(client: httpx.Client, member: int, text: str, files: Sequence[str] = ()) -> dict[str, Any]:
    answer = client.post("/api/v1/statuses", json={"status": text, "media_ids": list(files)}, headers=_as(member))
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def _decide_all(server: LiveServer, whose: dict[str, str]) -> Found:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = await browser.new_context(base_url=server.base_url, viewport={"width": 1400, "height": 900})
            context.set_default_timeout(LONGEST)
            page = await context.new_page()
            await _sign_in(page)
            return await _work(page, whose)
        finally:
            await browser.close()


async def _sign_in(page: Any) -> None:
    await page.goto("/sign-in")
    await page.get_by_label("E-mail address or username").fill("mod_mia")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("/")


READY = """(before) => location.pathname !== before && (!location.pathname.startsWith('/desk/cases/')
    || document.querySelector('main .subject') !== null) && document.readyState === 'complete'"""
"""Another page is there, whole, and if it is a case it can be read."""
LEGIBLE = """() => ['.subject .seen', '.grid2 blockquote']
    .map((one) => document.querySelector(one)?.textContent ?? '').join(' ')"""
"""What is read: the post and the first report. The clause and the suggestion are a glance at words that one knows."""


async def _work(page: Any, whose: dict[str, str]) -> Found:
    """From the queue through all cases, until nothing is left."""
    found = Found()
    await page.goto("/desk")
    extra = await _press(page, "n", "/desk")  # the first key is of the first case
    keys = 1
    while "/desk/cases/" in page.url:
        name = (await page.locator("header.casehead h1").inner_text()).removeprefix("@")
        kind = whose.get(name)
        words = len(re.findall(r"\w+", await page.evaluate(LEGIBLE)))
        before = await page.evaluate("location.pathname")
        for key in KINDS[kind][3] if kind else ("0",):  # what screening brought up by itself: nothing is broken
            await page.keyboard.press(key)
            keys += 1
        began = time.perf_counter()
        await page.keyboard.press("Enter")
        await page.locator("dialog#review [data-confirms]").wait_for()
        await page.wait_for_function("document.activeElement?.matches('[data-confirms]')")
        waited = time.perf_counter() - began
        waited += await _press(page, "Enter", before)
        if "/desk/cases/" not in page.url and len(found.keys) + 1 < len(whose):
            raise SystemExit(f"Only {len(found.keys) + 1} of {len(whose)} cases came: {page.url}")
        found.keys.append(keys + 2)
        found.waited.append(waited + extra)
        found.words.append(words)
        found.kinds[kind or "found by screening"] += 1
        keys, extra = 0, 0.0
    return found


async def _press(page: Any, key: str, before: str) -> float:
    """Press a key that leads to another page; returns the seconds until it can be read."""
    began = time.perf_counter()
    await page.keyboard.press(key)
    while True:
        try:
            await page.wait_for_function(READY, arg=before)
            return time.perf_counter() - began
        except Exception as error:
            if "context was destroyed" not in str(error):  # the page went away while it was asked: ask the next one
                raise


def rows(cases: int = CASES) -> list[Row]:
    """For `make bench`."""
    found = measure(cases)
    if not found.keys:
        raise SystemExit("There was no case to decide.")
    world = f"{len(found.keys)} cases: " + ", ".join(f"{many} {kind}" for kind, many in sorted(found.kinds.items()))
    people, waited = found.people(), found.waited
    whole = [one + other for one, other in zip(people, waited, strict=True)]
    assumed = (
        f"median {statistics.median(people):.1f} s, at most {max(people):.1f} s (assumed, not measured: "
        f"{statistics.median(found.words):.0f} words at {WORDS_A_MINUTE} a minute, {SECONDS_A_CHOICE} s to choose, "
        f"{SECONDS_A_KEY} s a key)"
    )
    return [
        (
            "desk keys: keys for a case",
            world,
            f"median {statistics.median(found.keys):.0f}, at most {max(found.keys)}",
            TARGET_KEYS,
        ),
        (
            "desk keys: waiting for the machine, a case",
            world,
            f"p50 {1000 * _at(waited, 0.5):.0f} ms, p95 {1000 * _at(waited, 0.95):.0f} ms",
            "",
        ),
        ("desk keys: what the moderator needs, a case", world, assumed, ""),
        (
            "desk keys: both together",
            world,
            f"median {statistics.median(whole):.1f} s, p95 {_at(whole, 0.95):.1f} s",
            TARGET_SECONDS,
        ),
    ]


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def main() -> None:
    """Measure and print."""
    from bench.__main__ import show

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show(rows(options.cases), options.json)


if __name__ == "__main__":
    main()
