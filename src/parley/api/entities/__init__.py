"""The only place that knows Mastodon's JSON shapes, one file per noun."""
