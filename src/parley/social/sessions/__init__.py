"""Sessions: how a member proves to be one, and what apps may do in a member's name."""
