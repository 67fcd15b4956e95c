"""Wellness: what is good for those who read the worst of it. Limits, breaks, and their own wishes."""
