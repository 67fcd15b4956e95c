"""The hosts of one instance: who they are, the link between them, and the agent that turns each one's gate."""
