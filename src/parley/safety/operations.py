"""How the instance does, for those who run it: screening's last day, what waits for people, the policy, the queue.

Figures and names of rules alone, never what anybody wrote.
"""

from __future__ import annotations

import msgspec

from parley.hosting.records import RecordRow, get_last_records
from parley.kit.db import Tx
from parley.kit.jobs import QueueRow, list_queue
from parley.kit.settings import Settings
from parley.safety.outside.reads import OutsideToday, get_outside_today
from parley.safety.warnings import DeskWarning, list_warnings
from parley.social.accounts.reads import Waiting, count_waiting_profiles
from parley.social.accounts.views import Viewer
from parley.social.policies.reads import ActivationRow, AlarmRow, list_activations, list_alarms, list_rules
from parley.social.policies.views import RuleView
from parley.social.statuses.waiting import count_waiting_statuses
from parley.social.verdicts.counting import Health, get_health

MOST_ALARMS = 5


class OperationsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of the operator's page that the database knows."""

    health: Health
    posts: Waiting
    profiles: Waiting
    rules: list[RuleView]
    activation: ActivationRow | None
    """The one that is in force."""
    alarms: list[AlarmRow]
    queue: list[QueueRow]
    host: list[RecordRow]
    """The last snapshot and drill that went well, and the last that did not."""
    warnings: list[DeskWarning]
    """What is the matter with the desk."""
    outside: OutsideToday | None
    """How the outside model does, where there is one."""


async def get_operations(tx: Tx, settings: Settings, viewer: Viewer) -> OperationsView:
    """In ten queries, and one more with an outside model, however much there is.

    Raises NotFound for whoever does not run the instance.
    """
    viewer.need_operator()
    activations = await list_activations(tx, limit=1)
    return OperationsView(
        health=await get_health(tx),
        posts=await count_waiting_statuses(tx),
        profiles=await count_waiting_profiles(tx),
        rules=await list_rules(tx),
        activation=activations[0] if activations else None,
        alarms=await list_alarms(tx, limit=MOST_ALARMS),
        queue=await list_queue(tx),
        host=await get_last_records(tx),
        warnings=await list_warnings(tx, settings),
        outside=await get_outside_today(tx, settings),
    )
