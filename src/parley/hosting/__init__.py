"""The host is replaceable: snapshots, and everything by which an instance changes its host.

Knows tables and files by name, and no room of the network: what it copies it copies whole.
"""
