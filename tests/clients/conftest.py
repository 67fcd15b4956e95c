"""What a live instance said while a test ran is shown when the test fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveServer


@pytest.fixture(autouse=True)
def _show_the_servers_log(live_server: LiveServer) -> Iterator[None]:
    before = live_server.log.stat().st_size
    yield
    with live_server.log.open("rb") as log:
        log.seek(before)
        print(log.read().decode(errors="replace")[-8000:])
