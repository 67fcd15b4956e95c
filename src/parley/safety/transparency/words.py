"""Words for what is counted, as outsiders read them."""

from __future__ import annotations

SOURCES = {
    "user": "Members",
    "public_notice": "Anybody, by the public form",
    "trusted_flagger": "Trusted flaggers",
    "provider_notice": "Hosts and app stores",
    "authority_order": "Authorities",
    "automated": "Our own screening",
}
PROMISES = {
    "acknowledge": "A receipt was sent",
    "first_action": "Something was done",
    "resolve": "Everything was decided",
    "interim": "Hidden until decided",
    "appeal": "An appeal was answered",
    "preserve": "Evidence was preserved",
}
ROLES = {"author": "Whose post or account it was", "reporter": "Who had reported it"}
VERDICTS = (
    ("allow", "Allowed"),
    ("allow_flag", "Published, looked at afterwards"),
    ("limit", "Shown to fewer"),
    ("hold", "Held for a person"),
    ("reject", "Refused"),
    ("quarantine", "Quarantined"),
)
MEASURES = (
    ("removed", "Removed", ("remove", "remove_media")),
    ("disabled", "Access disabled", ("hide", "quarantine", "require_change")),
    ("demoted", "Shown to fewer", ("limit", "limit_account")),
    ("labelled", "Labelled or marked", ("label", "sensitive")),
    ("restricted", "Posting restricted", ("restrict_posting", "freeze")),
    ("suspended", "Account suspended", ("suspend",)),
    ("terminated", "Account terminated", ("terminate",)),
)
"""Columns of measures, and the kinds of action that count in each."""
SEVERITIES = ("0: threat to life", "1: grave", "2: serious", "3: nuisance")
