"""Parley: an open-source microblogging server. Start reading at docs/tour.md."""

__version__ = "0.1.0"
