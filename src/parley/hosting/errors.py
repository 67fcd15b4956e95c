"""What goes wrong with snapshots, each with a sentence for the operator."""

from __future__ import annotations


class SnapshotError(Exception):
    """A snapshot cannot be made, read or restored; the text says why and what to do."""
