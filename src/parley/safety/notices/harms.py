"""What others call a harm, as a clause of our policy. Reads `harms.yaml` of the policy, which anybody can look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import msgspec
import yaml

from parley.kit.errors import Invalid
from parley.kit.settings import Settings
from parley.safety.cases.sla import gravest_clause, severity_of
from parley.screening import Ruleset, shipped_policy

FILE = "harms.yaml"
CLAUSE = "clause:"
CHILD_ABUSE = "harm:csam"
UNKNOWN_SEVERITY = 2


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice of the public form."""

    harm: str
    label: str


class Harms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mapping: names of harms, feedback types of ARF, and the choices of the form."""

    harms: dict[str, str]
    feedback: dict[str, str] = {}
    form: tuple[Choice, ...] = ()


class Meaning(msgspec.Struct, frozen=True):
    """What a notice's harms mean here. `clause` None: a moderator finds it."""

    clause: str | None
    severity: int


def fold_harm(name: str) -> str:
    """The form under which names of harms are equal: `Harm: Hate-Speech` is `harm:hate_speech`."""
    folded = "_".join(name.casefold().replace("-", " ").replace("_", " ").split())
    return folded.replace("_:", ":").replace(":_", ":").replace("_/", "/").replace("/_", "/")


def load_harms(settings: Settings) -> Harms:
    """The mapping of the policy in `policy_dir` over the one that ships. Raises Invalid with a sentence."""
    shipped = _read(shipped_policy() / FILE)
    own = Path(settings.policy_dir) / FILE if settings.policy_dir else None
    if own is None or not own.is_file():
        return shipped
    more = _read(own)
    return Harms(shipped.harms | more.harms, shipped.feedback | more.feedback, more.form or shipped.form)


def read_harms(mapping: Mapping[str, str], policy: Ruleset, names: Iterable[str], *, source: str = "") -> Meaning:
    """The gravest clause that these names mean. An unknown harm is as grave as its source: an order is never a
    nuisance."""
    clauses = []
    for name in names:
        folded = fold_harm(name)
        if folded.startswith(CLAUSE):
            clauses.append(folded.removeprefix(CLAUSE))
        else:
            clauses.append(mapping.get(folded) or mapping.get(f"harm:{folded}") or "")
    clause = gravest_clause(policy, tuple(clauses))
    unknown = 1 if source == "authority_order" else UNKNOWN_SEVERITY
    return Meaning(clause, severity_of(policy, clause, unknown=unknown))


@cache
def _read(path: Path) -> Harms:
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Harms)
    except (OSError, ValueError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Invalid(f"{path} cannot be used: {error}. Compare it with the one that ships with Parley.") from error
    folded = {fold_harm(name): clause for name, clause in found.harms.items()}
    return Harms(folded, {fold_harm(name): clause for name, clause in found.feedback.items()}, found.form)
