"""What goes wrong with the lease and with taking over, each with a sentence for the operator."""

from __future__ import annotations

from parley.hosting.hosts.errors import HostError


class FailoverError(HostError):
    """Taking over, or coming back, is not possible; the text says why and what to do."""


class WitnessError(FailoverError):
    """The third place cannot be asked. Whether a write has reached it is not known."""


class Overtaken(FailoverError):
    """The lease is somebody else's now, or another writing of it came first."""
