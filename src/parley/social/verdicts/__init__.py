"""Verdicts: the result of screening, kept for every revision of everything."""
