"""OAuth 2: apps, consent, authorization codes and access tokens."""
