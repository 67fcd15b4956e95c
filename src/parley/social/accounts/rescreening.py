"""What a second screening does to a profile that was first judged while the judge was not well."""

from __future__ import annotations

from typing import Any

from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.screening import Outcome
from parley.social.accounts.actions import decide_held_profile


async def apply_profile_rescreening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RevisionRescreened: publish a profile that was held only for caution. Everything else is for people."""
    if payload["subject_type"] != "profile" or not Outcome(payload["outcome"]).published:
        return
    try:
        async with instance.db.write() as tx:
            await decide_held_profile(tx, int(payload["subject_id"]), int(payload["revision"]), publish=True)
    except NotFound:
        return  # somebody decided in the meantime, or a newer revision waits
