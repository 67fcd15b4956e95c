"""Backtests: what a draft of a policy would have done to history."""
