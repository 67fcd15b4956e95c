"""Notices: what hosts, app stores, authorities and people without an account write to us, and what we answer."""
