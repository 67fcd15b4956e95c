"""Cases: what members, machines and outsiders say about an account, until people have decided it."""
