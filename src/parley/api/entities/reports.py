"""Mastodon's shape of a report: https://docs.joinmastodon.org/entities/Report/"""

from __future__ import annotations

from typing import Any

from parley.api.entities.accounts import account_entity
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.safety.cases.views import ReportView


def report_entity(view: ReportView, settings: Settings) -> dict[str, Any]:
    """A report as its reporter sees it."""
    return {
        "id": str(view.id),
        "action_taken": view.action_taken_at is not None,
        "action_taken_at": iso(view.action_taken_at) if view.action_taken_at else None,
        "category": view.category,
        "comment": view.comment,
        # The reporter's wish is stored with the report; this says whether it was done.
        "forwarded": False,
        "created_at": iso(view.created_at),
        "status_ids": [str(status_id) for status_id in view.status_ids],
        "rule_ids": list(view.rule_ids),
        # There are no collections of accounts here: a report that names any is refused.
        "collection_ids": [],
        "target_account": account_entity(view.target, settings),
    }
