"""Shows the ends of the hosts' logs beside a test that failed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.moves.providers import RUNNING


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add a section for each host of each world that is there now."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and "tests/moves" in str(item.path).replace("\\", "/"):
        for world in RUNNING:
            report.sections += [(f"{host.name}, what it said last", host.tail()) for host in world.hosts]
