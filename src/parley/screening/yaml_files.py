"""Reads one YAML file with positions, so that every problem names its file, line and key.

This file must not know what any key means.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import Struct

from parley.screening.banks import TIERS
from parley.screening.content import KINDS
from parley.screening.verdict import Outcome

MAX_FILE_BYTES = 4 * 1024 * 1024
T = TypeVar("T")


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a policy: where, what, and what is allowed. `line` counts from 1."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class PolicyError(ValueError):
    """A policy that cannot be used. `problems` says everything that was found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        super().__init__(f"The policy has {count}:\n" + "\n".join(f"  {problem}" for problem in problems))


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML with the booleans of YAML 1.2: `no`, `on` and `y` are words, as a word bank needs."""


_UNWANTED = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNWANTED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


class Document:
    """One YAML file: its plain value, and the line of every key and item."""

    def __init__(self, file: str, data: bytes | None) -> None:
        """`data` are the file's bytes, None when there is no such file."""
        self.file = file
        self.problems: list[Problem] = []
        self._lines: dict[tuple[str | int, ...], int] = {}
        self.value: Any = self._read(data)

    def line(self, *keys: str | int) -> int:
        """Return the line of the deepest of these keys that exists; 0 when the file could not be read."""
        for depth in range(len(keys), -1, -1):
            line = self._lines.get(keys[:depth])
            if line is not None:
                return line
        return 0

    def problem(self, keys: tuple[str | int, ...], message: str) -> None:
        """Note a problem at the place that the keys lead to."""
        self.problems.append(Problem(file=self.file, line=self.line(*keys), key=dotted(keys), message=message))

    def convert(self, value: Any, shape: type[T], keys: tuple[str | int, ...]) -> T | None:
        """Return the value in its shape, or None after noting what is wrong with it."""
        try:
            return msgspec.convert(value, shape)
        except msgspec.ValidationError as error:
            text, inner = _split_path(str(error))
            self.problem(keys + inner, _explain(text, shape))
            return None

    def _read(self, data: bytes | None) -> Any:
        if data is None:
            self.problem((), "this file is missing.")
            return None
        if len(data) > MAX_FILE_BYTES:
            self.problem((), f"this file is larger than {MAX_FILE_BYTES // 1024 // 1024} MB.")
            return None
        loader = _Loader(data)
        try:
            node = loader.get_single_node()
            return {} if node is None else self._plain(loader, node, (), set())
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 0
            what = getattr(error, "problem", None) or "it is not YAML"
            self.problems.append(Problem(file=self.file, line=line, key="", message=f"cannot be read as YAML: {what}."))
            return None
        finally:
            loader.dispose()

    def _plain(self, loader: Any, node: yaml.Node, keys: tuple[str | int, ...], seen: set[int]) -> Any:
        self._lines.setdefault(keys, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode):
            if id(node) in seen:
                self.problem(keys, "an alias (*name) is used. Write the value out: every entry stands on its own.")
                return None
            seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            plain: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value)
                if key in plain:
                    self._lines[(*keys, key)] = key_node.start_mark.line + 1
                    self.problem((*keys, key), "this key stands twice. Remove one of them.")
                self._lines[(*keys, key)] = key_node.start_mark.line + 1
                plain[key] = self._plain(loader, value_node, (*keys, key), seen)
            return plain
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(loader, child, (*keys, index), seen) for index, child in enumerate(node.value)]
        return loader.construct_object(node)


_ALLOWED = (
    f"Outcomes: {', '.join(Outcome)}. States: DRAFT, BACKGROUND, LIVE, EXPIRED. Tiers: {', '.join(TIERS)}. "
    f"Kinds: {', '.join(KINDS)}."
)


def dotted(keys: tuple[str | int, ...]) -> str:
    """Return a path of keys as people write it: `rules[3].when`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def _split_path(text: str) -> tuple[str, tuple[str | int, ...]]:
    """Split msgspec's "... - at `$.a[0]`" into the text and the keys."""
    text, found, path = text.partition(" - at `$")
    if not found:
        return text, ()
    keys = re.findall(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]", path.rstrip("`"))
    return text, tuple(name or int(index) for name, index in keys)


def _explain(text: str, shape: Any) -> str:
    """Turn msgspec's message into one that also says what is allowed."""
    if text.startswith("Object contains unknown field"):
        allowed = sorted(field.name for field in msgspec.structs.fields(shape)) if _is_struct(shape) else []
        name = text.split("`")[1]
        known = f" Allowed here are: {', '.join(allowed)}." if allowed and name not in allowed else ""
        return f"the key {name!r} does not exist.{known}"
    if text.startswith("Object missing required field"):
        return f"the key {text.split('`')[1]!r} is missing."
    if text.startswith("Invalid enum value"):
        return f"{text.removeprefix('Invalid enum value ')} is not one of the allowed values. {_ALLOWED}"
    lowered = f"{text[0].lower()}{text[1:]}."
    if "matching regex" in text:
        return f"{lowered} Names are lower-case words joined by hyphens; clause ids look like 1.2."
    return lowered


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, Struct)
