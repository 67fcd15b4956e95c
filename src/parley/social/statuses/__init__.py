"""Statuses: what people say, and what others do with it."""
