"""Rules: CEL expressions over typed signals, compiled once and evaluated for every revision.

CEL has no loops but its comprehensions, and those run under the runtime's budget. A rule that names a signal
which does not exist, or compares a number with a text, is refused when the policy is loaded.
This file must not know what any rule is for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from cel_expr_python import cel
from msgspec import Struct

from parley.screening.content import Kind
from parley.screening.verdict import Outcome, SignalValue

FieldType = Literal["bool", "int", "double", "string", "list"]
MAX_EXPRESSION = 2000

_TYPES = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "list": cel.Type.List(cel.Type.STRING),
}


class RuleError(ValueError):
    """An expression that cannot be used; the text says where and what is allowed."""


@dataclass(frozen=True, eq=False, slots=True)
class Program:
    """A compiled condition, and its text with the thresholds filled in."""

    text: str
    compiled: Any


class Rule(Struct, frozen=True, kw_only=True):
    """One rule, ready to evaluate. `decides` is false for a BACKGROUND rule: it is only logged.

    `when` is as it was written; `program` has the thresholds filled in. From `expires` on it no longer counts. Having
    acted `cap_per_hour` times in an hour, it does no more than `over_cap`.
    """

    id: str
    version: int
    title: str
    kinds: frozenset[Kind]
    when: str
    program: Program
    outcome: Outcome
    clause: str | None
    matches: str
    because: str
    labels: tuple[str, ...]
    decides: bool
    expires: datetime | None = None
    cap_per_hour: int = 300
    over_cap: Outcome = Outcome.HOLD


_LIMIT = re.compile(
    r"""([rb]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))|\blimit\.(\w+)""", re.DOTALL
)


def fill_in_limits(expression: str, thresholds: Mapping[str, int | float]) -> tuple[str, set[str]]:
    """Return the expression with the number in place of each `limit.name`, and the names that it uses.

    Texts in quotation marks stay as they are. Raises `RuleError` for a name that is not among the thresholds.
    """
    names: set[str] = set()

    def fill_in(found: re.Match[str]) -> str:
        name = found.group(2)
        if name is None:
            return found.group()
        if name not in thresholds:
            near = difflib.get_close_matches(name, thresholds, n=3, cutoff=0.5) or sorted(thresholds)
            known = f"Thresholds: {', '.join(near)}." if near else "It has no thresholds."
            raise RuleError(f"limit.{name} is not among the thresholds of policy.yaml. {known}")
        names.add(name)
        return f"({thresholds[name]!r})"

    return _LIMIT.sub(fill_in, expression), names


class Expressions:
    """Compiles and evaluates expressions over one set of declared signal values."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self._fields = dict(fields)
        self._environment = cel.NewEnv(variables={name: _TYPES[kind] for name, kind in fields.items()})
        self._together = lru_cache(maxsize=64)(self._compile_together)

    def compile(self, expression: str) -> Program:
        """Return the compiled program, or raise `RuleError`."""
        if len(expression) > MAX_EXPRESSION:
            raise RuleError(f"the expression is longer than {MAX_EXPRESSION} characters. Make several rules of it.")
        try:
            program = self._environment.compile(expression)
        except RuntimeError as error:
            raise RuleError(self._explain(str(error))) from None
        if program.return_type() != cel.Type.BOOL:
            raise RuleError(f"the expression gives {program.return_type().name()}, but a rule needs true or false.")
        return Program(expression, program)

    def _compile_together(self, programs: tuple[Program, ...]) -> Any:
        texts = (f"({program.text}\n)" for program in programs)  # a line of its own: it may end with a comment
        return self._environment.compile(f"[{', '.join(texts)}]")

    def activation(self, values: Mapping[str, SignalValue]) -> Any:
        """Return the values in the form that `evaluate` takes; made once per revision."""
        return self._environment.Activation(values)

    def evaluate_all(self, programs: tuple[Program, ...], activation: Any) -> list[bool] | None:
        """Return whether each condition holds, found in one go; None when one of them cannot be said."""
        try:
            values = self._together(programs).eval(activation).plain_value()
        except Exception:
            return None
        return values if isinstance(values, list) and len(values) == len(programs) else None

    def evaluate(self, program: Program, activation: Any) -> bool:
        """Return whether the rule's condition holds; raises `RuleError` when it cannot be said."""
        value = program.compiled.eval(activation)
        result = value.plain_value()
        if not isinstance(result, bool):
            raise RuleError(str(result)[:200])
        return result

    def _explain(self, text: str) -> str:
        text = re.sub(r"^\w+: ", "", text).split(" [INVALID_ARGUMENT]")[0]
        first = re.split(r"\n(?=ERROR)", text)[0]
        found = re.search(r"ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?:\n|$)", first)
        if not found:
            return f"the expression cannot be compiled: {text[:200]}."
        what = found.group(3).removesuffix(" (in container '')")
        message = f"{what}, at character {found.group(2)} of the expression."
        unknown = re.search(r"undeclared reference to '([^']+)'", what)
        if unknown:
            near = difflib.get_close_matches(unknown.group(1), self._fields, n=3, cutoff=0.5)
            known = f"Did you mean {' or '.join(near)}?" if near else f"Signals: {', '.join(sorted(self._fields))}."
            return f"{message} {known}"
        if "no matching overload" in what and "double" in what and "int" in what:
            return f"{message} Compare decimals with decimals (1.0) and whole numbers with whole numbers."
        return message


def fired(
    rules: Sequence[Rule], expressions: Expressions, values: Mapping[str, SignalValue], kind: Kind, now: datetime
) -> tuple[list[Rule], list[tuple[Rule, str]]]:
    """Return the rules whose condition holds at the moment `now`, and those that failed, with the reason."""
    activation = expressions.activation(values)
    asked = [r for r in rules if (not r.kinds or kind in r.kinds) and (r.expires is None or now < r.expires)]
    results = expressions.evaluate_all(tuple(rule.program for rule in asked), activation)
    if results is not None:
        return [rule for rule, holds in zip(asked, results, strict=True) if holds], []
    true: list[Rule] = []
    failed: list[tuple[Rule, str]] = []
    for rule in asked:
        try:
            if expressions.evaluate(rule.program, activation):
                true.append(rule)
        except Exception as error:
            failed.append((rule, str(error)))
    return true, failed
