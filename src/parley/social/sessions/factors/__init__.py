"""Second factors and passkeys: what a member has, beside the password that a member knows."""
