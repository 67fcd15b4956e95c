"""The second host: how it is set up, and how it is kept equal to the first."""
