"""Which category and keywords of the DSA Transparency Database each clause belongs to. Reads `dsa.yaml` of the policy.

Source of the words: https://transparency.dsa.ec.europa.eu/page/api-documentation (version 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
import yaml

from parley.kit.errors import Invalid
from parley.kit.settings import Settings
from parley.screening import shipped_policy

FILE = "dsa.yaml"
ELSE = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
UNSPECIFIED = "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE"
PREFIX = "STATEMENT_CATEGORY_"


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a clause belongs. `other` describes it where the only keyword that fits is KEYWORD_OTHER."""

    category: str
    keywords: tuple[str, ...] = ()
    other: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clauses: dict[str, Category]


def load_categories(settings: Settings) -> Mapping[str, Category]:
    """The category of each clause by its id: of the policy in `policy_dir`, and of the one that ships.

    Raises Invalid with a sentence when the file is not what it should be.
    """
    found = dict(_read(shipped_policy() / FILE))
    if settings.policy_dir and (Path(settings.policy_dir) / FILE).is_file():
        found |= _read(Path(settings.policy_dir) / FILE)
    return found


def category_of(categories: Mapping[str, Category], clause: str | None) -> Category:
    """The category of a clause; what nobody mapped violates the terms in some other way."""
    return categories.get(clause or "", Category(ELSE, ("KEYWORD_OTHER",), "Not mapped to a category"))


def words_of(category: str) -> str:
    """`Scams and fraud` for `STATEMENT_CATEGORY_SCAMS_AND_FRAUD`."""
    special = {ELSE: "Other breach of the rules", UNSPECIFIED: "Not specified by who sent the notice"}
    return special.get(category) or category.removeprefix(PREFIX).replace("_", " ").capitalize()


@cache
def _read(path: Path) -> Mapping[str, Category]:
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File).clauses
    except (OSError, ValueError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Invalid(f"{path} cannot be used: {error}. Compare it with the one that ships with Parley.") from error
