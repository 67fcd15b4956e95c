"""Filters: words and statuses that a member does not want to see, or wants to be warned of."""
