"""Incidents: a declared crisis, in which the judge is stricter, newcomers wait, and a queue of its own is open."""
