"""Fixtures of these tests."""

from tests.web.conftest import _built_assets as _built_assets
