"""Proof for outsiders: a compliance page for each provider, transparency reports, statements of reasons."""
