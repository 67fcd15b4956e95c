"""Copies of texts: how many are found after which change, how many others are taken for copies, and how fast.

The index is measured in a database of its own with a million fingerprints (`--rows` for more). The fingerprints are
drawn so that as many texts share a number by chance as posts in English do; one text in a hundred is a copy of one
and the same, as in a wave of spam.

    python -m bench.near_duplicates [--rows 10000000] [--texts posts.txt]

With `--texts`, one post a line, recall is measured on those instead of on made-up sentences.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parley.kit.db import Database, connect
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from parley.screening.near_duplicates import BANDS, SHORT, Fingerprint, difference, make_fingerprint
from parley.social.statuses import store_copies
from parley.social.statuses.copies import SAME

Row = tuple[str, str, str, str]
SEED = 20_260_101
WORDS = Path(__file__).parents[1] / "src" / "parley" / "screening" / "words_en.txt"
SHARED_BY_CHANCE = 10
"""Texts of a million that share one number with a text by chance, for each of its eight: measured on 12,000 posts."""
HOURLY = 100_000
"""Posts of the last hour."""
MINUTE = 60_000 << 16
"""A minute in ids."""
LEET = str.maketrans("aeiost", "431057")
LOOK_ALIKE = str.maketrans("aeocp", "аеоср")


def made_up_texts(count: int, dice: random.Random) -> list[str]:
    """Sentences of 6 to 30 common words, the common ones more often."""
    words = WORDS.read_text(encoding="ascii").split()
    weights = [1 / (place + 3) for place in range(len(words))]
    return [" ".join(dice.choices(words, weights, k=dice.randint(6, 30))) for _ in range(count)]


def read_texts(path: Path, dice: random.Random) -> list[str]:
    """The posts of a file that are long enough to be compared piece by piece, each letter by letter once."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        made = make_fingerprint([line])
        if made is not None and len(made.letters) >= SHORT:
            found.setdefault(made.letters, line)
    texts = list(found.values())
    dice.shuffle(texts)
    return texts


def edits(texts: Sequence[str], dice: random.Random) -> dict[str, Callable[[str], str]]:
    """What people do to a text before they post it again."""

    def word() -> str:
        return dice.choice(dice.choice(texts).split())

    def change_word(text: str) -> str:
        words = text.split()
        words[dice.randrange(len(words))] = word()
        return " ".join(words)

    def turn(text: str) -> str:
        words = text.split()
        place = dice.randrange(len(words))
        return " ".join(words[place:] + words[:place])

    def mistype(text: str) -> str:
        letters = list(text)
        for _ in range(2):
            letters[dice.randrange(len(letters))] = dice.choice("abcdefghijklmnopqrstuvwxyz")
        return "".join(letters)

    def space(text: str) -> str:
        words = text.split()
        place = dice.randrange(len(words))
        words[place] = " ".join(words[place])
        return " ".join(words)

    return {
        "hashtag, mention and link added": lambda text: f"@someone@example.org {text} https://example.org/ #now",
        "numbers for letters": lambda text: text.lower().translate(LEET),
        "letters of another script": lambda text: text.translate(LOOK_ALIKE),
        "zero-width characters": lambda text: "\u200b".join(text),
        "a word spaced out": space,
        "a word added": lambda text: f"{text} {word()}",
        "parts exchanged": turn,
        "one word changed": change_word,
        "two letters mistyped": mistype,
        "two words changed": lambda text: change_word(change_word(text)),
    }


def shared(one: Fingerprint, other: Fingerprint) -> int:
    """How many numbers two fingerprints share."""
    return sum(a == b for a, b in zip(one.bands, other.bands, strict=True))


def measure_recall(texts: Sequence[str], dice: random.Random, *, tries: int = 1000) -> list[Row]:
    """Which copies are found: by any number as moderators ask, and by two as posting asks about the last hour."""
    rows: list[Row] = []
    sample = texts[:tries]
    prints = [_made(text) for text in sample]
    for name, change in edits(texts, dice).items():
        found = hour = 0
        for text, before in zip(sample, prints, strict=True):
            after = _made(change(text))
            numbers = shared(before, after)
            found += numbers >= 1 and difference(before.letters, after.letters) <= SAME
            hour += numbers >= 2
        measured = f"{found / len(sample):.1%}; within the hour {hour / len(sample):.1%}"
        rows.append(("copies found again", name, measured, ""))
    return rows


def measure_mistakes(texts: Sequence[str], *, sample: int = 20_000) -> list[Row]:
    """How many pairs of different texts share numbers, and are taken for copies."""
    prints = [_made(text) for text in texts[:sample]]
    pairs: dict[tuple[int, int], int] = {}
    for band in range(BANDS):
        same: dict[int, list[int]] = {}
        for place, made in enumerate(prints):
            same.setdefault(made.bands[band], []).append(place)
        for places in same.values():
            for left in range(len(places)):
                for right in places[left + 1 :]:
                    pairs[places[left], right] = pairs.get((places[left], right), 0) + 1
    close = {pair for pair in pairs if difference(prints[pair[0]].letters, prints[pair[1]].letters) <= SAME}
    twice = sum(1 for pair, numbers in pairs.items() if numbers > 1 and pair not in close)
    total = len(prints) * (len(prints) - 1) / 2
    world = f"{len(prints):,} texts, {total / 1e6:,.0f} million pairs"
    return [
        ("pairs that share a number, and are looked at", world, f"{len(pairs):,}", ""),
        ("of them alike indeed (differ by half at most)", world, f"{len(close):,}", ""),
        ("not alike, but share two numbers", world, f"{twice:,}", ""),
    ]


def measure_speed(texts: Sequence[str]) -> list[Row]:
    """Fingerprints made in a second by one core."""
    sample = texts[:3000]
    _made(sample[0])
    started = time.perf_counter()
    for text in sample:
        make_fingerprint([text])
    each = (time.perf_counter() - started) / len(sample)
    return [("fingerprint of a text", "", f"{each * 1e6:.0f} µs", "")]


def _made(text: str) -> Fingerprint:
    made = make_fingerprint([text])
    assert made is not None
    return made


async def fill(connection: Any, rows: int, dice: random.Random) -> dict[str, Any]:
    """Store `rows` fingerprints over a year, one in a hundred the same; returns what to ask for.

    The last 20,000 go in with the indexes there, as a server would store them: that is timed.
    """
    import numpy

    numbers = numpy.random.default_rng(SEED)
    pool = numbers.integers(-(2**31), 2**31, size=(BANDS, 1_000_000 // SHARED_BY_CHANCE), dtype=numpy.int64)
    wave = [int(value) for value in numbers.integers(-(2**31), 2**31, size=BANDS)]
    last = int(time.time() * 1000) << 16
    step = (365 * 24 * 60 * MINUTE) // rows
    names = ["status_id", "account_id", *(f"b{band}" for band in range(1, BANDS + 1))]
    await connection.execute("SET session_replication_role = replica")  # no statuses behind them
    indexes = await connection.fetch(INDEXES)
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX {name}")
    started, size, timed = time.perf_counter(), 20_000, 20_000
    for first in range(0, rows, size):
        if first + timed >= rows:
            for _, definition in indexes:
                await connection.execute(definition)
            started = time.perf_counter()
        chosen = numbers.integers(0, pool.shape[1], size=(min(size, rows - first), BANDS))
        records = []
        for place, choice in enumerate(chosen.tolist()):
            number = first + place
            bands = wave if number % 100 == 0 else [int(pool[band, at]) for band, at in enumerate(choice)]
            records.append((last - (rows - number) * step, number % 5000, *bands))
        await connection.copy_records_to_table("status_fingerprints", records=records, columns=names)
    seconds = time.perf_counter() - started
    removed = [
        (last + number, 1, "8.2", "x" * 60, [int(value) for value in numbers.integers(-(2**31), 2**31, size=BANDS)])
        for number in range(100_000)
    ]
    columns = ["status_id", "revision", "clause", "letters", "bands"]
    await connection.copy_records_to_table("removed_texts", records=removed, columns=columns)
    await connection.execute(FILL_RECENT, last, HOURLY)
    await connection.execute("VACUUM (ANALYZE) status_fingerprints, recent_numbers")
    await connection.execute("VACUUM (ANALYZE) removed_texts")
    asked = [[int(pool[band, dice.randrange(pool.shape[1])]) for band in range(BANDS)] for _ in range(300)]
    return {
        "wave": wave,
        "asked": asked,
        "last": last,
        "per_second": timed / seconds,
        "removed": [row[4] for row in removed[:300]],
    }


INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'status_fingerprints' AND indexname <> 'status_fingerprints_pkey'
"""
SIZE = """SELECT pg_total_relation_size('status_fingerprints')"""
FILL_RECENT = """
    INSERT INTO recent_numbers (band, status_id, account_id)
    SELECT unnest(ARRAY[b1, b2, b3, b4, b5, b6, b7, b8]), $1 + row_number() OVER (), account_id
    FROM (SELECT * FROM status_fingerprints ORDER BY status_id DESC LIMIT $2) f ON CONFLICT DO NOTHING
"""
HOUR = """
    SELECT count(DISTINCT account_id) FROM (
        SELECT r.status_id, r.account_id FROM unnest($1::integer[]) AS b (band) CROSS JOIN LATERAL (
            SELECT n.status_id, n.account_id FROM recent_numbers n
            WHERE n.band = b.band AND n.status_id > $2 ORDER BY n.status_id DESC LIMIT 50) AS r
        GROUP BY r.status_id, r.account_id HAVING count(*) > 1) AS s
"""
REMOVED = """SELECT clause, letters FROM removed_texts WHERE bands && $1::integer[] ORDER BY removed_at DESC LIMIT 20"""


async def measure_index(dsn: str, rows: int, *, show_plan: bool) -> list[Row]:
    """How long the questions take among `rows` fingerprints."""
    dice = random.Random(SEED)
    connection = await connect(dsn)
    filled = await fill(connection, rows, dice)
    size = await connection.fetchval(SIZE)
    await connection.close()
    db = Database(dsn)
    await db.open()
    world = f"{rows:,} texts"
    wave, hour = filled["wave"], filled["last"] - 60 * MINUTE
    busy = f"{world}, {HOURLY:,} in the hour"
    found: list[Row] = [
        (
            "fingerprints on disk, with their eight indexes",
            world,
            f"{size / 2**20:,.0f} MiB, {size / rows:.0f} bytes each",
            "",
        ),
        ("fingerprints stored (COPY, one connection)", world, f"{filled['per_second']:,.0f}/s", ""),
    ]
    async with db.read() as tx:
        questions: list[tuple[str, Callable[[int], Any]]] = [
            ("all copies of an ordinary text", lambda n: store_copies.list_like(tx, 0, filled["asked"][n], 1000)),
            (
                "all copies of a text that is one in a hundred, the newest 1,000",
                lambda n: store_copies.list_like(tx, 0, wave, 1000),
            ),
            ("who said the same within the hour", lambda n: tx.fetchval(HOUR, filled["asked"][n], hour)),
            ("the same, of a text that is one in a hundred", lambda n: tx.fetchval(HOUR, wave, hour)),
            ("was it taken down before (100,000 that were)", lambda n: tx.fetch(REMOVED, filled["removed"][n])),
        ]
        for name, question in questions:
            where = busy if "hour" in name or name.startswith("the same") else world
            found.append((name, where, await _times(question), "milliseconds"))
        if show_plan:
            plan = await tx.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {store_copies.LIST_LIKE}", filled["asked"][0], 1000, 0)
            print("\n".join(row[0] for row in plan))
    await db.close()
    return found


async def _times(question: Callable[[int], Any]) -> str:
    taken = []
    for number in range(300):
        started = time.perf_counter()
        await question(number)
        taken.append((time.perf_counter() - started) * 1000)
    percentiles = statistics.quantiles(taken[20:], n=100)
    return f"p50 {percentiles[49]:.2f} ms, p95 {percentiles[94]:.2f} ms, p99 {percentiles[98]:.2f} ms"


def measure(rows: int = 1_000_000, texts: Path | None = None, *, show_plan: bool = False) -> list[Row]:
    """Everything about copies of texts."""
    dice = random.Random(SEED)
    corpus = read_texts(texts, dice) if texts else made_up_texts(20_000, dice)
    found = measure_speed(corpus) + measure_recall(corpus, dice) + measure_mistakes(corpus)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        server = EmbeddedPostgres(Settings(data_dir=Path(folder)))
        server.start()
        try:
            asyncio.run(migrate(server.dsn))
            found += asyncio.run(measure_index(server.dsn, rows, show_plan=show_plan))
        finally:
            server.stop()
    return found


def main() -> None:
    """Measure and print."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m bench.near_duplicates", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="fingerprints in the index")
    parser.add_argument("--texts", type=Path, help="measure recall on these posts, one a line")
    parser.add_argument("--plan", action="store_true", help="print the plan of the search for copies")
    arguments = parser.parse_args()
    table = Table("what", "world", "measured", "target", title="Copies of texts")
    for row in measure(arguments.rows, arguments.texts, show_plan=arguments.plan):
        table.add_row(*row)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
