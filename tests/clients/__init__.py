"""Real client programs against a live instance."""
