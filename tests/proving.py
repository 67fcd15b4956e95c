"""Invariant 5 at the end of tests: a conftest that imports these proves it after every test that used the database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.safety.auditing import assert_audit_holds


@pytest.fixture
async def _audited(dsn: str) -> AsyncIterator[None]:
    """Check the log when everything else is torn down, before the database is emptied."""
    yield
    await assert_audit_holds(dsn)


@pytest.fixture
def tampered() -> None:
    """For tests that change the database behind the log's back: theirs is not checked at the end."""


@pytest.fixture(autouse=True)
def _invariant_5(request: pytest.FixtureRequest) -> None:
    if "dsn" in request.fixturenames and "tampered" not in request.fixturenames:
        request.getfixturevalue("_audited")
