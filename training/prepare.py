"""Gathers the public sources and the written cases into one file of rows.

Texts that occur in several places are kept once; what occurs in any test or validation split never trains.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from training.heads import HEADS, Row, write_rows
from training.sources import (
    ORDINARY_SOURCES,
    PLAIN_ARCHIVE,
    TEST_SOURCES,
    TRAIN_SOURCES,
    read_plain,
    read_source,
)
from training.written import read_written

DATA = Path(__file__).parents[2] / "shared" / "data" / "moderation"
WORK = Path(__file__).parents[1] / "var" / "training"
_BETWEEN = re.compile(r"[\s!-/:-@\[-`{-~]+")


def text_key(text: str) -> str:
    """Return what two copies of a text have in common: letters, digits and symbols, without mentions and links."""
    return _BETWEEN.sub("", text.lower().replace("@user", "").replace("http", ""))


def drop_copies(rows: list[Row]) -> list[Row]:
    """Keep each text once. Measuring comes first: a copy in `test` or `val` removes the one in `train`."""
    order = {"test": 0, "val": 1, "train": 2}
    kept: list[Row] = []
    held: set[str] = set()
    for split in sorted(order, key=order.__getitem__):
        own: set[tuple[str, str]] = set()
        for row in rows:
            if row.split != split:
                continue
            key = text_key(row.text)
            if not key or key in held or (row.source, key) in own:
                continue
            own.add((row.source, key))
            kept.append(row)
        held |= {key for _, key in own}
    return kept


def prepare(data: Path, plain: Path, *, most: int) -> list[Row]:
    """Return all rows of all sources, without copies. `plain` is the archive of ordinary tweets."""
    rows: list[Row] = []
    for source in track((*TRAIN_SOURCES, *TEST_SOURCES, *ORDINARY_SOURCES), "Reading the public sources"):
        rows += read_source(data, source)
    rows += read_plain(plain)
    rows += read_written(most=most)
    return drop_copies(rows)


def print_counts(rows: list[Row]) -> None:
    """Print how many rows and positives there are per source and split."""
    table = Table("source", "split", "rows", *HEADS, title="Rows, and positives of each head")
    counts: Counter[tuple[str, str]] = Counter()
    positives: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        counts[row.source, row.split] += 1
        for head, label in row.labels.items():
            positives[row.source, row.split, head] += label
    for (source, split), count in sorted(counts.items()):
        table.add_row(source, split, str(count), *(str(positives[source, split, head]) for head in HEADS))
    Console().print(table)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public sources")
    parser.add_argument("--plain", type=Path, help=f"archive of ordinary tweets (WORK/{PLAIN_ARCHIVE})")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--most", type=int, default=12, help="variants of a written line at most")
    options = parser.parse_args()
    rows = prepare(options.data, options.plain or options.work / PLAIN_ARCHIVE, most=options.most)
    write_rows(options.work / "rows.jsonl.gz", rows)
    print_counts(rows)


if __name__ == "__main__":
    main()
