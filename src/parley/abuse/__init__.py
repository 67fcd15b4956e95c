"""Door: how hosts, app stores and authorities reach us, over HTTP (XARF, JSON), SMTP, LMTP and IMAP."""
