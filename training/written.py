"""Reads the written cases in `written/*.txt` and expands their templates.

A file has sections. A header `== category: head head ?head` gives the heads that are 1; a head after `?` is not
judged (masked); every other head is 0. Each further line is one case. `{slot}` takes a word of the slot, `(a|b|c)`
one of the alternatives. All variants of a line share a split: one line in ten is kept for tests, one in twenty for
validation.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from training.heads import HEADS, Row

FOLDER = Path(__file__).parent / "written"
_SLOT = re.compile(r"\{([a-z_0-9]+)\}")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


class WrittenError(ValueError):
    """A file of written cases cannot be understood; says where."""


class Section(Struct):
    """A category with its labels and the lines below it."""

    category: str
    labels: dict[str, int]
    lines: list[str]


def read_slots(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Return the slots of slots.txt: `name: word | word | ...`, one a line; long ones go on over several lines."""
    slots: dict[str, list[str]] = {}
    for number, line in enumerate((folder / "slots.txt").read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, found, words = line.partition(":")
        if not found or not re.fullmatch("[a-z_0-9]+", name):
            raise WrittenError(f"slots.txt:{number}: write `name: word | word`")
        slots.setdefault(name, []).extend(word.strip() for word in words.split("|") if word.strip())
    return slots


def parse_sections(text: str, name: str) -> list[Section]:
    """Return the sections of one file."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("# "):
            continue
        if line.startswith("== "):
            category, found, heads = line[3:].partition(":")
            if not found:
                raise WrittenError(f"{name}:{number}: write `== category: head head ?head`")
            sections.append(Section(category.strip(), _labels(heads.split(), f"{name}:{number}"), []))
        elif not sections:
            raise WrittenError(f"{name}:{number}: a case stands before the first `== category:` line")
        else:
            sections[-1].lines.append(line)
    return sections


def _labels(heads: list[str], place: str) -> dict[str, int]:
    labels = dict.fromkeys(HEADS, 0)
    for head in heads:
        if head.lstrip("?") not in labels:
            raise WrittenError(f"{place}: there is no head {head.lstrip('?')!r}; there are {', '.join(HEADS)}")
        if head.startswith("?"):
            del labels[head[1:]]
        else:
            labels[head] = 1
    return labels


def count_variants(line: str, slots: dict[str, list[str]]) -> int:
    """Return how many different texts a line can become (an upper bound)."""
    count = 1
    for name in _SLOT.findall(line):
        count *= len(slots[name])
    for alternatives in _CHOICE.findall(line):
        count *= alternatives.count("|") + 1
    return count


def fill_line(line: str, slots: dict[str, list[str]], chance: random.Random) -> str:
    """Return one variant of a line."""
    while True:
        filled = _CHOICE.sub(lambda found: chance.choice(found.group(1).split("|")), line)
        filled = _SLOT.sub(lambda found: chance.choice(slots[found.group(1)]), filled)
        if filled == line:
            return " ".join(filled.split())
        line = filled


def split_of(line: str) -> str:
    """Return the split of a line: by its hash, so that adding lines moves no other line."""
    place = hashlib.sha256(line.encode()).digest()[0]
    return "test" if place < 26 else "val" if place < 39 else "train"


def _vary_case(text: str, chance: random.Random) -> str:
    """Write some variants as people do: capitals at the start, all capitals, a full stop or several marks."""
    draw = chance.random()
    if draw < 0.35:
        text = text[0].upper() + text[1:]
    elif draw < 0.40:
        text = text.upper()
    if text[-1].isalnum():
        text += chance.choice(("", "", "", "", ".", ".", "!", "!!", "..."))
    return text


def read_written(folder: Path = FOLDER, *, most: int = 12, seed: int = 7) -> Iterator[Row]:
    """Yield the written cases, each line with up to `most` variants."""
    slots = read_slots(folder)
    for path in sorted(folder.glob("*.txt")):
        if path.name == "slots.txt":
            continue
        for section in parse_sections(path.read_text(encoding="utf-8"), path.name):
            for line in section.lines:
                for name in _SLOT.findall(line):
                    if name not in slots:
                        raise WrittenError(f"{path.name}: there is no slot {{{name}}} (in {line!r})")
                yield from _expand(line, section, slots, most=most, seed=seed)


def _expand(line: str, section: Section, slots: dict[str, list[str]], *, most: int, seed: int) -> Iterator[Row]:
    chance = random.Random(f"{seed} {line}")  # noqa: S311 - reproducible on purpose
    possible = count_variants(line, slots)
    wanted = min(most, 1 + int(possible**0.75)) if possible > 1 else 1
    seen: set[str] = set()
    for _ in range(wanted * 3):
        text = fill_line(line, slots, chance)
        if text.casefold() in seen:
            continue
        seen.add(text.casefold())
        yield Row(
            text=_vary_case(text, chance),
            source="written",
            split=split_of(line),
            labels=dict(section.labels),
            category=section.category,
            template=hashlib.sha256(line.encode()).hexdigest()[:12],
        )
        if len(seen) == wanted:
            return
