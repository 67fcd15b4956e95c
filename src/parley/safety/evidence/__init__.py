"""Evidence and law: content as it was, how long it is kept, what authorities ask for, and what is handed out."""
