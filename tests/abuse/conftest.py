"""Pages need their assets; and every test that uses the database proves invariant 5 at its end."""

from __future__ import annotations

import pytest

from tests.proving import _audited, _invariant_5, tampered

__all__ = ["_audited", "_invariant_5", "tampered"]


@pytest.fixture(scope="session")
def _built_assets() -> None:
    from parley.web.build import build_assets

    build_assets()
