"""Fixtures of the pages' tests; those of the desk prove invariant 5 at their end."""

from __future__ import annotations

import pytest

from parley.web.build import BuildError, build_assets
from tests.proving import _audited, tampered

__all__ = ["_audited", "tampered"]
DESK = ("test_desk", "test_moderation", "test_transparency", "test_invariant_4")


@pytest.fixture(scope="session")
def _built_assets() -> None:
    """The assets, built when their sources changed; where Node cannot be had the tests are skipped and say so."""
    try:
        build_assets()
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _invariant_5(request: pytest.FixtureRequest) -> None:
    of_the_desk = request.node.path.name.startswith(DESK)
    if of_the_desk and "dsn" in request.fixturenames and "tampered" not in request.fixturenames:
        request.getfixturevalue("_audited")
