"""The outermost door of a host that has an agent: holds requests, hands them on to the other host, begins them again.

Imported by `main.py` alone. It knows the gate and the link, and no route: what a request means is none of its business.
"""
