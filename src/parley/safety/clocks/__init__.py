"""Clocks: promises to answer in time, and what follows when one is not kept."""
