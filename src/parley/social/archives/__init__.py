"""Archives: what members take away with them, and what they bring along."""
