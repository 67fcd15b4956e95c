"""Every test of the desk that uses the database proves invariant 5 at its end, whatever it is about."""

from __future__ import annotations

from tests.proving import _audited, _invariant_5, tampered

__all__ = ["_audited", "_invariant_5", "tampered"]
