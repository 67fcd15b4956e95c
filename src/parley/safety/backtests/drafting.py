"""Drafts for a backtest: a policy's files in which one rule or entry of a bank that is written already counts. Pure."""

from __future__ import annotations

import msgspec
import yaml

from parley.kit.errors import Invalid, NotFound
from parley.social.policies.sources import RulesetSource


def with_rule_live(source: RulesetSource, rule: str) -> RulesetSource:
    """`source` with this rule LIVE, whatever its state in the file. Raises NotFound when no rule is called so."""
    try:
        document = yaml.safe_load(source.files.get("rules.yaml", b""))
    except yaml.YAMLError as error:
        raise Invalid(f"rules.yaml cannot be read: {error}") from error
    rules = document.get("rules") if isinstance(document, dict) else None
    found = False
    for written in rules if isinstance(rules, list) else []:
        if isinstance(written, dict) and written.get("id") == rule:
            found = True
            written["state"] = "LIVE"
            written.pop("expires", None)
    if not found:
        raise NotFound(f"There is no rule {rule!r} in rules.yaml.")
    changed = yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    return msgspec.structs.replace(source, files={**source.files, "rules.yaml": changed})
