"""A planned move to another host: in steps that are written down first, and that can be taken up again."""
