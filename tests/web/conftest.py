"""Fixtures of the pages' tests."""

from __future__ import annotations

import pytest

from parley.web.build import BuildError, build_assets


@pytest.fixture(scope="session")
def _built_assets() -> None:
    """The assets, built when their sources changed; where Node cannot be had the tests are skipped and say so."""
    try:
        build_assets()
    except BuildError as error:
        pytest.skip(str(error))
