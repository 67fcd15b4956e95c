"""The shape of a policy's YAML files, read with positions so that every problem names its file and line.

A policy is a folder: `policy.yaml` (thresholds, fail modes, limits), `clauses.yaml`, `words.yaml`,
`links.yaml` and `rules.yaml`. This file knows the shape only; what the parts mean together is checked in `policy.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct

from parley.screening.banks import TIERS, Tier
from parley.screening.content import KINDS, Kind, Trust
from parley.screening.verdict import Outcome

FORMAT = 1
"""The format of policy files that this version reads."""

FILES = ("policy.yaml", "clauses.yaml", "words.yaml", "links.yaml", "rules.yaml")
MAX_FILE_BYTES = 4 * 1024 * 1024

State = Literal["DRAFT", "BACKGROUND", "LIVE", "EXPIRED"]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
ClauseId = Annotated[str, Meta(pattern=r"^[1-9][0-9]?\.[1-9][0-9]?$")]
Text = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(ge=1)]
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


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a policy file: an unknown key is a mistake, never ignored."""


class TrustThresholds(_Strict, frozen=True, kw_only=True):
    """When an author stops being new, and starts being trusted: both numbers must be reached."""

    known_after_days: Annotated[float, Meta(ge=0)]
    known_after_posts: Annotated[int, Meta(ge=0)]
    trusted_after_days: Annotated[float, Meta(ge=0)]
    trusted_after_posts: Annotated[int, Meta(ge=0)]


class FailModes(_Strict, frozen=True, kw_only=True):
    """What happens, by the author's trust, to something that could not be judged completely."""

    new: Outcome
    known: Outcome
    trusted: Outcome
    staff: Outcome

    def mode(self, trust: Trust) -> Outcome:
        """Return the outcome for an author of this trust."""
        modes = {"new": self.new, "known": self.known, "trusted": self.trusted, "staff": self.staff}
        return modes[trust]


class Limits(_Strict, frozen=True, kw_only=True):
    """How much of one revision is looked at. More than this cannot be judged: the fail mode applies."""

    text_characters: Annotated[int, Meta(ge=500, le=200_000)]
    all_characters: Annotated[int, Meta(ge=500, le=1_000_000)]
    texts: Annotated[int, Meta(ge=10, le=1000)]
    links: Annotated[int, Meta(ge=10, le=10_000)]


class SignalSwitch(_Strict, frozen=True, kw_only=True):
    """Whether a signal is measured, and a fail mode of its own if it has one."""

    enabled: bool = True
    fail: FailModes | None = None


class PolicyHead(_Strict, frozen=True, kw_only=True):
    """`policy.yaml`."""

    format: int
    name: Text
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
    review_hours: Positive
    trust: TrustThresholds
    fail_modes: FailModes
    limits: Limits
    signals: dict[str, SignalSwitch] = {}


class Case(_Strict, frozen=True, kw_only=True):
    """A test that stands beside a clause or a rule: what is posted by whom, and what must happen.

    `account` overrides facts (`account_age_days`, `published_statuses`, `role` ...); without it the author is
    an ordinary known member.
    """

    name: Text
    expect: Outcome
    kind: Kind = "status"
    text: str = ""
    texts: dict[str, str] = {}
    links: list[str] = []
    mentions: int = 0
    tags: list[str] = []
    media: int = 0
    account: dict[str, bool | int | float | str] = {}


class ClauseDocument(_Strict, frozen=True, kw_only=True):
    """One clause in plain words. `remedy` tells an author what to change: "Remove the threat"."""

    id: ClauseId
    group: Text
    title: Text
    text: Text
    hint: str = ""
    remedy: Text
    severity: Annotated[int, Meta(ge=0, le=3)]
    breaks: list[Text]
    fine: list[Text] = []
    tests: list[Case]


class WordDocument(_Strict, frozen=True, kw_only=True):
    """One entry of the word bank. `hits` and `misses` are its tests."""

    id: Name
    tier: Tier
    clause: ClauseId
    title: Text
    state: State = "LIVE"
    match: Annotated[list[Text], Meta(min_length=1)]
    unless: list[Text] = []
    hits: Annotated[list[Text], Meta(min_length=1)]
    misses: Annotated[list[Text], Meta(min_length=1)]


class WordsFile(_Strict, frozen=True, kw_only=True):
    """`words.yaml`."""

    spellings: dict[str, str] = {}
    words: list[Any]


class LinkDocument(_Strict, frozen=True, kw_only=True):
    """One entry of the link bank: domains with their subdomains, or patterns of whole URLs (RE2 syntax)."""

    id: Name
    tier: Tier
    clause: ClauseId
    title: Text
    state: State = "LIVE"
    domains: list[Text] = []
    patterns: list[Text] = []
    hits: Annotated[list[Text], Meta(min_length=1)]
    misses: Annotated[list[Text], Meta(min_length=1)]


class LinksFile(_Strict, frozen=True, kw_only=True):
    """`links.yaml`."""

    shorteners: list[Text] = []
    links: list[Any]


class RuleDocument(_Strict, frozen=True, kw_only=True):
    """One rule: when the CEL expression is true, the outcome applies.

    `clause` is a clause's id, or `of-match` for the clause of the first bank entry that `matches` names
    (`words.reject`, `links.hold` ...).
    """

    id: Name
    version: Positive = 1
    state: State
    title: Text
    kinds: list[Kind] = []
    when: Text
    outcome: Outcome
    clause: Annotated[str, Meta(pattern=r"^([1-9][0-9]?\.[1-9][0-9]?|of-match)$")]
    matches: str = ""
    because: Text
    labels: list[Name] = []
    tests: Annotated[list[Case], Meta(min_length=1)]


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

    def __init__(self, path: Path) -> None:
        self.file = path.name
        self.problems: list[Problem] = []
        self._lines: dict[tuple[str | int, ...], int] = {}
        self.value: Any = self._read(path)

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

    def _read(self, path: Path) -> Any:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            self.problem((), f"this file is missing. A policy is a folder with {', '.join(FILES)}.")
            return None
        except OSError as error:
            self.problem((), f"this file cannot be read ({error.strerror}).")
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
