"""Juries: members, drawn by lot, decide what is not urgent. Every verdict is a decision."""
