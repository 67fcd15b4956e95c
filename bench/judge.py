"""The judge: posts a second and latency with every signal on, cold and warm, short, long and hostile.

    python -m bench.judge                    everything, some ten minutes
    python -m bench.judge --only text        one part: text, files, copies
    python -m bench.judge --only text --json figures for scripts

Every post is another one, made from a fixed seed, so nothing is answered from memory. Throughput counts processor time
(a busy machine does not change it), latency counts the clock on the wall. A new part is one function that returns rows,
and one line in PARTS.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import judge_media, near_duplicates
from bench.screening import NOW, make_posts
from parley import screening
from parley.screening import Content, Facts
from training.written import read_written

Row = tuple[str, str, str, str]
"""What, on what, measured, target."""

_COLD = """
import time
started = time.perf_counter()
from parley import screening
from parley.screening import Content, Facts
ruleset = screening.use_policy()
assert screening.warm_models()
ready = time.perf_counter()
from datetime import UTC, datetime
post = Content(kind="status", texts={"text": "The gate of the old garden squeaks again, who has oil for it?"})
screening.judge(post, Facts(now=datetime(2026, 1, 1, tzinfo=UTC)))
first = time.perf_counter()
lines = dict(line.split(":") for line in open("/proc/self/smaps_rollup").read().splitlines()[1:])
print(ready - started, first - ready, int(lines["Anonymous"].split()[0]) / 1024, int(lines["Pss"].split()[0]) / 1024)
"""
HOSTILE: dict[str, str] = {
    "1 MB of words": "kill " * 200_000,
    "1 MB of one letter": "a" * 1_000_000,
    "10,000 combining marks": "e" + "\u0301" * 10_000,
    "right-to-left overrides": "\u202euoy llik " * 20_000,
    "lone surrogates": "\ud800" * 20_000,
    "100,000 emoji": "\U0001f602\U0001f52b" * 50_000,
    "nested quotes": "\u201c" * 50_000 + "kill them" + "\u201d" * 50_000,
    "single letters": "k i l l " * 60_000,
    "one ligature of 18 letters": "\ufdfa" * 20_000,
}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def timed(calls: Sequence[Callable[[], Any]]) -> tuple[list[float], float]:
    """Milliseconds on the wall of each call, and seconds of processor time of all."""
    walls = []
    cpu = time.process_time()
    for call in calls:
        started = time.perf_counter()
        call()
        walls.append((time.perf_counter() - started) * 1000)
    return walls, time.process_time() - cpu


def spread(walls: Sequence[float]) -> str:
    """Three percentiles in words."""
    shown = (f"p{round(share * 100)} {percentile(walls, share):.2f}" for share in (0.5, 0.95, 0.99))
    return f"{', '.join(shown)} ms"


def written_posts(count: int) -> list[tuple[Content, Facts]]:
    """Posts as people write them: the ordinary ones among the cases that the model learned from, two in three of them
    with a second one behind. One in fifty holds a threat."""
    rows = list(read_written(most=1))
    usual = [
        r.text for r in rows if r.category.startswith(("ordinary", "voices", "w9_")) and not any(r.labels.values())
    ]
    threats = [row.text for row in rows if row.labels.get("violence")]
    chance = random.Random(20260101)
    posts = []
    for number, (_, facts) in enumerate(make_posts(count)):
        texts = chance.sample(usual, chance.choice((1, 2, 2)))
        if number % 50 == 0:
            texts.append(chance.choice(threats))
        posts.append((Content(kind="status", texts={"text": " ".join(texts), "spoiler_text": ""}), facts))
    return posts


def text_rows(count: int = 5000) -> list[Row]:
    """Texts: the whole judge with all signals on, and how much of it is the bare call of the model."""
    from parley.screening.model_text import for_model
    from parley.screening.text_model import live_model

    done = subprocess.run([sys.executable, "-c", _COLD], capture_output=True, text=True, check=True)
    ready, first, anonymous, proportional = map(float, done.stdout.split())
    measured = f"{ready:.2f} s, the first post then {first * 1000:.1f} ms; {anonymous:.0f} MiB of its own"
    kind = f"a new process ({proportional:.0f} MiB with what it shares)"
    rows: list[Row] = [("policy and text model loaded", kind, measured, "start under 5 s")]

    ruleset = screening.use_policy()
    screening.warm_models()
    model = live_model()
    for kind, posts in (("posts of words at random", make_posts(count)), ("posts as written", written_posts(count))):
        walls, cpu = timed([lambda one=one: screening.judge(*one, ruleset=ruleset) for one in posts])  # type: ignore[misc]
        mean = sum(len(content.texts["text"]) for content, _ in posts) / count
        world = f"{count:,} {kind}, {mean:.0f} characters on average, all signals on"
        rows.append(("judge, one core", world, f"{count / cpu:,.0f} posts/s", "at least 400/s"))
        rows.append(("judge, latency", world, spread(walls), "p95 under 6 ms"))

    texts = [for_model(content.texts["text"]) for content, _ in posts]
    encoded = [model._tokenizer.encode(text, add_special_tokens=False).ids[:40] for text in texts]
    bare, _ = timed(
        [lambda text=text, ids=ids: model._run(text, ids) for text, ids in zip(texts, encoded, strict=True)]
    )  # type: ignore[misc]
    short = [index for index, text in enumerate(texts) if len(encoded[index]) < 40 and text]
    ratio = percentile([walls[i] for i in short], 0.5) / percentile([bare[i] for i in short], 0.5)
    rows.append(("the model's call alone", f"{len(short):,} of those, 40 tokens or fewer", spread(bare), ""))
    rows.append(("judge / model's call alone", "the same", f"{ratio:.2f}", "under 2"))
    seen, cpu = timed([lambda one=one: for_model(one[0].texts["text"]) for one in posts])  # type: ignore[misc]
    rows.append(("disguises undone", world, f"{cpu / count * 1e6:.0f} µs, {spread(seen)}", "under 100 µs"))

    known = Facts(now=NOW, account_age_days=10, published_statuses=10)
    for length in (500, 1000, 5000, 20_000):
        texts = [" ".join(c.texts["text"] for c, _ in posts[n : n + length // 20])[:length] for n in range(0, 60)]
        contents = [Content(kind="status", texts={"text": text}) for text in texts]
        walls, _ = timed([lambda c=c: screening.judge(c, known, ruleset=ruleset) for c in contents])  # type: ignore[misc]
        rows.append(
            ("judge, long posts", f"{length:,} characters", spread(walls), "" if length > 1000 else "under 60 ms")
        )
    hostile = {
        name: timed([lambda t=t: screening.judge(Content(kind="status", texts={"text": t}), known, ruleset=ruleset)])[
            0
        ][0]
        for name, t in HOSTILE.items()
    }
    worst = max(hostile, key=lambda name: hostile[name])
    rows.append(("judge, hostile posts", f"worst of {len(hostile)}: {worst}", f"{hostile[worst]:.0f} ms", "under 1 s"))
    return rows


PARTS: dict[str, Callable[[], list[Row]]] = {
    "text": text_rows,
    "files": judge_media.measure,
    "copies": near_duplicates.measure,
}
"""Each part of the judge that has figures. Sweeps have a command of their own: `python -m bench.sweep`."""


def measure(only: Sequence[str] = ()) -> list[Row]:
    """The rows of all parts, or of some."""
    return [row for part in only or PARTS for row in PARTS[part]()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.judge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone (may be repeated)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    rows = measure(arguments.only or ())
    if arguments.json:
        keys = ("what", "world", "measured", "target")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    for what, world, measured, target in rows:
        print(f"{what:<30}  {world:<66}  {measured:<48} {target}")


if __name__ == "__main__":
    main()
