"""DOOR: our own pages, server-rendered; every one works without JavaScript."""
