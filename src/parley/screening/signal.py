"""What a signal is: one function from a `Frame` to values and matches, with a name, a version and typed fields.

Signals must not decide anything, read anything outside the frame, or depend on the clock: equal input gives
equal values. The signals themselves stand in the `..._signals.py` files; `signals.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import Struct

from parley.screening.banks import Link, LinkBank, WordBank, find_links, read_link
from parley.screening.content import Content, Facts, Trust
from parley.screening.documents import Limits
from parley.screening.normalise import View, join_views
from parley.screening.rules import FieldType
from parley.screening.text_model import Scores, live_model
from parley.screening.verdict import Match, SignalValue


@dataclass(frozen=True)
class Frame:
    """Everything that a signal may look at. What several signals need is computed once, when asked for."""

    content: Content
    facts: Facts
    trust: Trust
    words: WordBank
    link_bank: LinkBank
    limits: Limits
    texts: dict[str, str]

    @cached_property
    def views(self) -> dict[str, View]:
        """The word bank's view of each text."""
        return {name: self.words.view(text) for name, text in self.texts.items() if text}

    @property
    def joined_view(self) -> View | None:
        """All texts as one, a content warning first; None when there is only one."""
        if len(self.views) < 2:
            return None
        return join_views([self.views[name] for name in sorted(self.views, key=lambda name: name != "spoiler_text")])

    @cached_property
    def text_scores(self) -> Scores:
        """What the text model says of the texts; raises ModelUnavailable."""
        texts = [self.texts[name] for name in sorted(self.texts, key=lambda name: name != "spoiler_text")]
        return live_model().score(texts, declared=self.content.language, hints=self.words.vocabulary.words)

    @cached_property
    def links(self) -> list[Link]:
        """Links given by the caller and links that stand in the texts, each once, in order of appearance."""
        found: dict[str, Link] = {}
        limit = self.limits.links
        for written in self.content.links[:limit]:
            link = read_link(written[:4000])
            found.setdefault(link.href, link)
        for written in self.content.resolved_links[:limit]:
            link = read_link(written[:4000], final=True)
            found.setdefault(link.href, link)
        for text in self.texts.values():
            for link in find_links(text, limit=limit):
                found.setdefault(link.href, link)
        return list(found.values())[:limit]


class Measured(Struct, frozen=True):
    """What one signal found. The keys of `values` are the signal's declared fields."""

    values: Mapping[str, SignalValue]
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `about` says in a few plain words what it measures, for the page that lists signals.

    `from_model` says that its values change with a model, so that a policy's tests must fix those that they need.
    `cost_us` is about what it takes for an ordinary post, in microseconds on one core (`python -m bench.screening`
    measures it); what it took for a post stands in that post's verdict. `says` puts a field into words, for the reason
    that a moderator reads: `people mentioned`, followed by the value.
    """

    name: str
    version: int
    about: str
    fields: Mapping[str, FieldType]
    measure: Callable[[Frame], Measured]
    from_model: bool = False
    cost_us: int = 0
    says: Mapping[str, str] = field(default_factory=dict)


_QUIET: dict[FieldType, SignalValue] = {"bool": False, "int": 0, "double": 0.0, "string": "", "list": []}


def quiet_values(signals: Iterable[Signal]) -> dict[str, SignalValue]:
    """Return the values of signals that are switched off: nothing found."""
    return {name: _QUIET[kind] for signal in signals for name, kind in signal.fields.items()}
