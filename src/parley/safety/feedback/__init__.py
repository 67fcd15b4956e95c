"""Feedback: how well the judge agrees with people, and how what it sees changes over time."""
