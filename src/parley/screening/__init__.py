"""The judge: content and facts in, verdict out. No database, no network, nothing of the rest of the product.

`judge(content, facts)` is asked inside every write; `use_policy` chooses the rules. Start reading at judge.py.
"""

from parley.screening.cases import check_policy
from parley.screening.content import Content, Facts, Kind, Trust
from parley.screening.documents import PolicyError, Problem
from parley.screening.judge import judge, screen_failed
from parley.screening.policy import live_ruleset, load_policy, shipped_policy, use_policy, use_ruleset
from parley.screening.ruleset import Clause, Ruleset, rules_page, trust_level
from parley.screening.text_model import warm as warm_models
from parley.screening.verdict import Match, Outcome, RuleFired, Verdict

__all__ = [
    "Clause",
    "Content",
    "Facts",
    "Kind",
    "Match",
    "Outcome",
    "PolicyError",
    "Problem",
    "RuleFired",
    "Ruleset",
    "Trust",
    "Verdict",
    "check_policy",
    "judge",
    "live_ruleset",
    "load_policy",
    "rules_page",
    "screen_failed",
    "shipped_policy",
    "trust_level",
    "use_policy",
    "use_ruleset",
    "warm_models",
]
