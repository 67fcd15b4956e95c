"""When a host is lost: the lease in a third place, watching it, going on alone, taking over, and coming back."""
