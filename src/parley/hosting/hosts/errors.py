"""What goes wrong between hosts, each with a sentence for the operator."""

from __future__ import annotations


class HostError(Exception):
    """A host cannot do what was asked; the text says why and what to do. Asking again changes nothing by itself."""


class HostUnreachable(HostError):
    """A host does not answer. Whether it did what was asked is not known: every operation may be asked for again."""
