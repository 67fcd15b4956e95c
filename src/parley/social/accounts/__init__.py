"""Accounts: who is known here, and what their profile says."""
