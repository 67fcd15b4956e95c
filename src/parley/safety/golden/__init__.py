"""Questions whose answer is known: settled decisions, with which jurors and moderators are calibrated."""
