"""The nouns of the `parley` command that have several verbs each: one file a noun, added in cli.py."""
