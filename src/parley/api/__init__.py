"""DOOR: the Mastodon client API, one file per page of its documentation."""
