"""Everything that makes the shipped text model again: data, training, export, calibration and measurement.

Nothing here is imported by the server. Start at README.md in this folder.
"""
