"""Measures the judge on one core: posts a second and latency, for ordinary and for hostile posts.

    python bench/screening.py            a table
    python bench/screening.py --json     the same as JSON
    python bench/screening.py --posts N  judge N posts (20,000 unless told)

The posts are made from a fixed seed: short and long, with links, mentions, emoji, accents and a few that the
policy finds. Each is judged once after a warm-up, so nothing is measured that a cache has already seen.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from parley import screening
from parley.screening import Content, Facts, Ruleset
from parley.screening.signal import Frame

VOCABULARY = (
    "the a to and of in is it for on with that this was my we you they have be at so but not as what just all today "
    "morning coffee harbour bicycle garden server release train library concert weather people friend friends city "
    "reading writing photograph museum election budget research question answer wonderful terrible killed shoot hang "
    "yourself tomorrow weekend breakfast mountain yesterday government transport championship neighbourhood really "
    "never always maybe because through without between against everything something interesting café naïve über señor"
)
ENDINGS = (".", "!", "?", "", " 😀", " 🎉🎉", "...", " #photography", " @alice@example.org", " https://example.org/a")
FOUND = ("I will kill you", "k1ll y0urself", "guillotines for all of them", "double your bitcoin today")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_posts(count: int) -> list[tuple[Content, Facts]]:
    """Return posts of 3 to 120 words by authors of every trust; one in fifty holds something to find."""
    rng = random.Random(20260101)
    vocabulary = VOCABULARY.split()
    posts = []
    for number in range(count):
        words = rng.choices(vocabulary, k=min(int(rng.lognormvariate(3.0, 0.7)) + 3, 120))
        if number % 50 == 0:
            words.insert(rng.randrange(len(words)), rng.choice(FOUND))
        text = " ".join(words).capitalize() + rng.choice(ENDINGS)
        facts = Facts(now=NOW, account_age_days=rng.choice((0.2, 5, 400)), published_statuses=rng.choice((0, 10, 900)))
        posts.append((Content(kind="status", texts={"text": text, "spoiler_text": ""}), facts))
    return posts


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(int(len(sorted_values) * share), len(sorted_values) - 1)]


def measure(ruleset: Ruleset, posts: list[tuple[Content, Facts]]) -> dict[str, float]:
    """Judge every post once and return posts a second and latencies in milliseconds."""
    latencies = []
    cpu = time.process_time()
    for content, facts in posts:
        started = time.perf_counter()
        screening.judge(content, facts, ruleset=ruleset)
        latencies.append((time.perf_counter() - started) * 1000)
    cpu = time.process_time() - cpu
    latencies.sort()
    return {
        "posts_per_second_per_core": round(len(posts) / cpu),
        "p50_ms": round(percentile(latencies, 0.5), 3),
        "p95_ms": round(percentile(latencies, 0.95), 3),
        "p99_ms": round(percentile(latencies, 0.99), 3),
        "max_ms": round(latencies[-1], 3),
    }


def measure_parts(ruleset: Ruleset, posts: list[tuple[Content, Facts]]) -> dict[str, float]:
    """Return the mean microseconds that each signal takes, and the rules."""
    spent = dict.fromkeys([*(signal.name for signal in ruleset.signals), "rules"], 0.0)
    for content, facts in posts:
        frame = Frame(content, facts, "known", ruleset.words, ruleset.links, ruleset.head.limits, dict(content.texts))
        values = dict(ruleset.quiet)
        for signal in ruleset.signals:
            started = time.perf_counter()
            values.update(signal.measure(frame).values)
            spent[signal.name] += time.perf_counter() - started
        started = time.perf_counter()
        activation = ruleset.expressions.activation(values)
        for rule in ruleset.rules:
            ruleset.expressions.evaluate(rule.program, activation)
        spent["rules"] += time.perf_counter() - started
    return {name: round(seconds / len(posts) * 1e6, 1) for name, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--posts", type=int, default=20_000, help="how many posts to judge")
    arguments = parser.parse_args()
    started = time.perf_counter()
    ruleset = screening.use_policy()
    loading = time.perf_counter() - started
    posts = make_posts(arguments.posts)
    screening.judge(*posts[0], ruleset=ruleset)  # The first judgement loads the table of look-alikes.
    hostile = [
        (Content(kind="status", texts={"text": text}), Facts(now=NOW))
        for text in (
            "k " * 10_000,
            "a" + "\u0301" * 10_000,
            "1!|$@03" * 2800,
            "ﷺ" * 20_000,
            "x " * 500_000,
            "🔫" * 20_000,
        )
    ]
    result = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "policy_load_ms": round(loading * 1000, 1),
        "ordinary": measure(ruleset, posts),
        "hostile": measure(ruleset, hostile),
        "mean_microseconds": measure_parts(ruleset, posts[: min(len(posts), 3000)]),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    console = Console()
    table = Table(title=f"The judge, one core ({result['machine']}; policy loaded in {result['policy_load_ms']} ms)")
    for column in ("posts", "posts/s/core", "p50 ms", "p95 ms", "p99 ms", "max ms"):
        table.add_column(column, justify="left" if column == "posts" else "right")
    for name in ("ordinary", "hostile"):
        table.add_row(name, *(f"{value:,}" for value in result[name].values()))
    console.print(table)
    parts = Table(title="Mean cost of each signal and of all rules together")
    parts.add_column("part")
    parts.add_column("µs", justify="right")
    for name, value in result["mean_microseconds"].items():
        parts.add_row(name, f"{value:,}")
    console.print(parts)


if __name__ == "__main__":
    main()
