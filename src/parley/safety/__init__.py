"""People decide: what reports, notices and screening bring up, on the clock, with reasons, and provably."""
