"""Gathers the public sources and the written cases into one file of rows.

Texts that occur in several places are kept once; what occurs in any test or validation split never trains.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from training.heads import HEADS, Row, write_rows
from training.sources import (
    COMMENTS_FOLDER,
    ORDINARY_SOURCES,
    PLAIN_ARCHIVE,
    TEST_SOURCES,
    TRAIN_SOURCES,
    apply_reviewed,
    read_comments,
    read_plain,
    read_reviewed,
    read_source,
    text_key,
)
from training.written import read_written

DATA = Path(__file__).parents[2] / "shared" / "data" / "moderation"
WORK = Path(__file__).parents[1] / "var" / "training"


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
            key = row.key or text_key(row.text)
            if not key or key in held or (row.source, key) in own:
                continue
            own.add((row.source, key))
            kept.append(row)
        held |= {key for _, key in own}
    return kept


def prepare(data: Path, plain: Path, comments: Path, *, most: int) -> list[Row]:
    """Return all rows of all sources, without copies. `plain` is the archive of ordinary tweets, `comments` the folder
    of GoEmotions' data."""
    rows: list[Row] = []
    for source in track((*TRAIN_SOURCES, *TEST_SOURCES, *ORDINARY_SOURCES), "Reading the public sources"):
        rows += read_source(data, source)
    rows += read_plain(plain)
    rows += read_comments(comments)
    apply_reviewed(rows, read_reviewed())
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
    parser.add_argument("--comments", type=Path, help=f"folder of GoEmotions' data (WORK/{COMMENTS_FOLDER})")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--most", type=int, default=12, help="variants of a written line at most")
    options = parser.parse_args()
    plain, comments = options.plain or options.work / PLAIN_ARCHIVE, options.comments or options.work / COMMENTS_FOLDER
    rows = prepare(options.data, plain, comments, most=options.most)
    write_rows(options.work / "rows.jsonl.gz", rows)
    print_counts(rows)


if __name__ == "__main__":
    main()
