"""The moderation log: append-only, chained by hashes; every state of the desk is a projection of it."""
