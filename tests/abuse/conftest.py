"""Pages need their assets."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def _built_assets() -> None:
    from parley.web.build import build_assets

    build_assets()
