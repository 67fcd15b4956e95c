"""Decisions: what is done about what people did, why, for how long, and taking it back."""
