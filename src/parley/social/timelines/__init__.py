"""Timelines: statuses in order, for one reader."""
