"""Jobs about the host: the nightly snapshot."""

from __future__ import annotations

from typing import Any

from parley.hosting.saving import save_instance
from parley.kit.instance import Instance


async def make_nightly_snapshot(instance: Instance, payload: dict[str, Any]) -> None:
    """Every night: save the instance to `snapshot_to`, when that is set, and keep `snapshot_keep` of them there.

    What came of it is noted for the operator's page and the metrics; one that failed is tried again by the queue.
    """
    settings = instance.settings
    if not settings.snapshot_to:
        return
    instance.gate.check()
    await save_instance(settings, instance.db, settings.snapshot_to, keep=settings.snapshot_keep)
