"""Loads a policy, and holds the one that is live in this process.

A policy is a folder of YAML files (`documents.py` has their shape, `reading.py` checks them).
This file must not judge anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from parley.screening.documents import PolicyError, Problem
from parley.screening.reading import read_policy
from parley.screening.ruleset import Ruleset
from parley.screening.signal import Signal
from parley.screening.signals import SIGNALS


def shipped_policy() -> Path:
    """Return the folder of the policy that ships: inside the installed package, or in the checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "policy" / "default", here.parents[3] / "policy" / "default"):
        if folder.is_dir():
            return folder
    raise PolicyError(
        [
            Problem(
                file="policy/default",
                line=0,
                key="",
                message="the shipped policy is missing. Install Parley again.",
            )
        ]
    )


_live: Ruleset | None = None


def use_policy(path: Path | str | None = None) -> Ruleset:
    """Load a policy, make it the live one of this process and return it; None stands for the shipped policy.

    Raises `PolicyError` and keeps the policy that was live if the new one has problems.
    """
    global _live
    _live = load_policy(shipped_policy() if path is None else Path(path))
    return _live


def use_ruleset(ruleset: Ruleset) -> None:
    """Make a ruleset that was loaded already the live one of this process."""
    global _live
    _live = ruleset


def live_ruleset() -> Ruleset:
    """Return the live ruleset, loading the shipped policy if none was chosen."""
    return _live or use_policy()


def load_policy(path: Path | str, *, signals: Sequence[Signal] = SIGNALS) -> Ruleset:
    """Read, check and compile the policy in a folder, or raise `PolicyError` with every problem."""
    ruleset, problems = read_policy(Path(path), signals=signals)
    if problems or ruleset is None:
        raise PolicyError(problems)
    return ruleset
