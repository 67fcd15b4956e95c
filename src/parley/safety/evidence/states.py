"""What may follow what in the life of a legal hold, a request of an authority and a disclosure: one pure table each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from parley.kit.errors import Invalid

HoldState = Literal["requested", "active", "renewed", "released", "expired"]
RequestState = Literal["received", "answered", "refused", "withdrawn"]
DisclosureState = Literal["proposed", "approved", "refused", "sent"]

HOLD_FOLLOWS: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"active", "released", "expired"}),
    "active": frozenset({"renewed", "released", "expired"}),
    "renewed": frozenset({"renewed", "released", "expired"}),
    "released": frozenset(),
    "expired": frozenset(),
}
PROTECTING = frozenset({"requested", "active", "renewed"})
"""A hold that is only asked for keeps things too: what was purged meanwhile would be gone."""

REQUEST_FOLLOWS: Mapping[str, frozenset[str]] = {
    "received": frozenset({"answered", "refused", "withdrawn"}),
    "answered": frozenset(),
    "refused": frozenset({"answered"}),
    "withdrawn": frozenset(),
}

DISCLOSURE_FOLLOWS: Mapping[str, frozenset[str]] = {
    "proposed": frozenset({"approved", "refused"}),
    "approved": frozenset({"sent", "refused"}),
    "refused": frozenset(),
    "sent": frozenset(),
}


def check_transition(table: Mapping[str, frozenset[str]], state: str, following: str) -> None:
    """Raise Invalid, saying what may be done instead, unless `following` may come after `state`."""
    if following not in table[state]:
        allowed = ", ".join(sorted(table[state])) or "nothing: it is over"
        raise Invalid(f"What is {state} cannot become {following}; after {state} comes {allowed}.")
