"""Reads the challenge set: hand-written cases by category. `dev` is for tuning, `test` only for the report."""

from __future__ import annotations

from pathlib import Path

import yaml
from msgspec import Struct, convert

FOLDER = Path(__file__).parent / "challenge"


class Case(Struct, forbid_unknown_fields=True):
    """One case: what each named head should say about a text."""

    id: str
    category: str
    split: str
    text: str
    expect: dict[str, bool]
    pair: str = ""


def read_challenge(split: str, folder: Path = FOLDER) -> list[Case]:
    """Return the cases of a split, by category."""
    cases: list[Case] = []
    for path in sorted(folder.glob(f"*.{split}.yaml")):
        found = convert(yaml.safe_load(path.read_text(encoding="utf-8"))["cases"], list[Case])
        wrong = [case.id for case in found if case.split != split]
        if wrong:
            raise ValueError(f"{path.name} holds cases of another split: {', '.join(wrong[:5])}")
        cases += found
    return sorted(cases, key=lambda case: case.category)
