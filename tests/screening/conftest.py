"""What the judge's tests share: the shipped ruleset, small policies made on the spot, and authors."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parley.screening import Content, Facts, Ruleset, load_policy, shipped_policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STRANGER = Facts(now=NOW)
MEMBER = Facts(now=NOW, account_age_days=10, published_statuses=10, followers=5)
TRUSTED = Facts(now=NOW, account_age_days=400, published_statuses=900, followers=50)
MODERATOR = Facts(now=NOW, role="moderator")


def status(text: str = "", *links: str, **more: object) -> Content:
    return Content(kind="status", texts={"text": text}, links=links, **more)  # type: ignore[arg-type]


def with_broken_signal(ruleset: Ruleset, name: str, error: Exception) -> Ruleset:
    def fail(frame: object) -> object:
        raise error

    signals = tuple(replace(s, measure=fail) if s.name == name else s for s in ruleset.signals)
    return replace(ruleset, signals=signals)


@pytest.fixture(scope="session")
def shipped() -> Ruleset:
    return load_policy(shipped_policy())


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the shipped policy and replaces text in its files."""

    def make(**changes: tuple[str, str] | str) -> Path:
        folder = tmp_path / "policy"
        shutil.copytree(shipped_policy(), folder, dirs_exist_ok=True)
        for stem, change in changes.items():
            path = folder / f"{stem}.yaml"
            if isinstance(change, str):
                path.write_text(change)
            else:
                before, after = change
                text = path.read_text()
                assert before in text
                path.write_text(text.replace(before, after, 1))
        return folder

    return make
