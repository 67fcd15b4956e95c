"""Notifications: what a member is told about."""
