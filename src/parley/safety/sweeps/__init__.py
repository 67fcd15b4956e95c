"""Sweeps: history judged again under the live ruleset, and what follows from it."""
