"""Judging much of history: the one evaluator, in processes of its own that load ruleset and models once.

Nothing here reads or writes a database: what comes in was read before, what goes out is acted on by others.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import msgspec

from parley import screening
from parley.kit.errors import Invalid
from parley.kit.processes import end_with_parent
from parley.safety.history import Past
from parley.screening import Content, Facts, PolicyError, Ruleset, Verdict
from parley.screening.extending import extend_ruleset
from parley.screening.reading import read_policy_files
from parley.social.policies.models import use_kept_model, with_model
from parley.social.policies.sources import RulesetSource

NICENESS = 10
"""History can wait; people who post cannot."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """One revision for the judge. `outcome` and `clause` are what is on record: a verdict that says the same is not
    sent back whole."""

    id: int
    content: Content
    facts: Facts
    outcome: str = ""
    clause: str | None = None


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What a ruleset says of one revision. `verdict` is there where the outcome differs from what is on record."""

    id: int
    outcome: str
    clause: str | None
    degraded: bool
    rules: tuple[str, ...]
    """Ids of the rules that fired and count."""
    logged: tuple[str, ...]
    """Ids of the rules that fired in BACKGROUND."""
    scores: dict[str, float]
    """Of the models: `text.violence.score` and the like, those above nothing."""
    because: tuple[str, ...] = ()
    verdict: Verdict | None = None


_encode = msgspec.msgpack.Encoder().encode
_questions = msgspec.msgpack.Decoder(list[Question])
_answers = msgspec.msgpack.Decoder(list[Answer])


def load_source(source: RulesetSource) -> Ruleset:
    """Compile a ruleset from what it is made of; a model of its own becomes that of this process.

    Raises PolicyError with every problem, and ModelUnavailable.
    """
    base, problems = read_policy_files(source.files)
    if problems or base is None:
        raise PolicyError(problems)
    ruleset = extend_ruleset(base, source.items) if source.items else base
    return with_model(ruleset, use_kept_model(Path(source.model))) if source.model else ruleset


def ask(past: Past) -> Question:
    """The question that a revision of the past puts to the judge."""
    return Question(past.id, past.content, past.facts, past.outcome, past.clause)


def judge_all(questions: Sequence[Question], ruleset: Ruleset) -> list[Answer]:
    """Judge in this process, in order."""
    return [_answer(question, ruleset) for question in questions]


def _answer(question: Question, ruleset: Ruleset) -> Answer:
    verdict = screening.judge(question.content, question.facts, ruleset=ruleset)
    outcome = verdict.outcome.value
    differs = outcome != question.outcome or (outcome != "allow" and verdict.clause != question.clause)
    return Answer(
        id=question.id,
        outcome=outcome,
        clause=verdict.clause,
        degraded=verdict.degraded,
        rules=tuple(rule.rule for rule in verdict.rules if rule.decides),
        logged=tuple(rule.rule for rule in verdict.rules if not rule.decides),
        scores={
            name: value
            for name, value in verdict.signals.items()
            if isinstance(value, float) and value > 0.0 and name.startswith("text.") and name.endswith(".score")
        },
        because=verdict.because if differs else (),
        verdict=verdict if differs else None,
    )


class Judges(Protocol):
    """Whoever judges: this process, processes beside it, or a cluster."""

    async def judge(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in the order of the questions."""


class OwnThread:
    """Judges in a thread of this process, with a ruleset that is loaded already."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset = ruleset

    async def judge(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in the order of the questions."""
        return await asyncio.to_thread(judge_all, questions, self._ruleset)


class _Processes:
    """Judges in a pool; each process takes an equal part of what is asked."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool = pool
        self._count = count

    async def judge(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in the order of the questions."""
        loop = asyncio.get_running_loop()
        share = max(-(-len(questions) // self._count), 1)
        parts = [questions[start : start + share] for start in range(0, len(questions), share)]
        sent = [loop.run_in_executor(self._pool, _judge_encoded, _encode(part)) for part in parts]
        return [answer for done in await asyncio.gather(*sent) for answer in _answers.decode(done)]


@asynccontextmanager
async def local_processes(source: RulesetSource, expected: str | None, count: int) -> AsyncIterator[Judges]:
    """Processes that judge under the ruleset of `source`, whose hash must be `expected` (None: whatever it is); ended
    with the block.

    Raises Invalid when they cannot load it, or load another one.
    """
    pool = ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(msgspec.msgpack.encode(source),)
    )
    try:
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(pool, _loaded)
        if expected is not None and loaded != expected:
            raise Invalid(
                f"The processes loaded the ruleset {loaded[:12] or '(none)'} instead of {expected[:12]}. "
                "Another version of the program, or of a model, is installed: run this where the instance runs."
            )
        yield _Processes(pool, count)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_ruleset: Ruleset | None = None
"""Of a judging process."""


def _begin(encoded: bytes) -> None:
    global _ruleset
    end_with_parent()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    _ruleset = load_source(msgspec.msgpack.decode(encoded, type=RulesetSource))


def _loaded() -> str:
    return _ruleset.sha256 if _ruleset else ""


def _judge_encoded(encoded: bytes) -> bytes:
    assert _ruleset is not None
    return _encode(judge_all(_questions.decode(encoded), _ruleset))
