"""Discovery: search and suggestions."""
