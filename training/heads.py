"""What the model predicts, and the row that all steps pass on. No data, no arithmetic."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, convert, to_builtins

HEADS = ("violence", "hate", "harassment", "sexism", "sexual", "self_harm")
"""The outputs that ship, in the order of the columns of `logits`."""

EXTRA_HEADS = ("abuse", "incitement", "stereotype", "derogation")
"""Outputs that only help the encoder to learn. They are dropped on export."""

ALL_HEADS = HEADS + EXTRA_HEADS


class Row(Struct, omit_defaults=True):
    """One labelled text. `labels` holds 0 or 1 per head; a head that is absent was not annotated and is masked.

    `weights` scales a head's loss where a label is only probable. `fine` is the source's own class, `category` and
    `template` are set for written cases: variants of one template always fall into the same split.
    """

    text: str
    source: str
    split: str
    labels: dict[str, int] = {}
    weights: dict[str, float] = {}
    fine: str = ""
    category: str = ""
    template: str = ""
    key: str = ""
    """What copies have in common, where that is not to be had from `text`."""

    reviewed: bool = False
    """Whether somebody read it because a model took it for violence; such a row always trains."""


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as gzipped JSON lines and return how many there were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=4) as file:
        for row in rows:
            file.write(json.dumps(to_builtins(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_rows(path: Path) -> Iterator[Row]:
    """Read rows that `write_rows` wrote."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield convert(json.loads(line), Row)
