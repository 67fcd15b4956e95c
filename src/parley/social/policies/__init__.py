"""Policies: every version that was live, entries of banks, and what rules do by the hour."""
