"""Fixtures of the operator's pages."""

from tests.web.conftest import _built_assets

__all__ = ["_built_assets"]
