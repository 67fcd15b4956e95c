"""Takes the epoch guard away from the web processes and the worker of a host, for control runs alone.

Python runs this first of all where this folder is in PYTHONPATH. The gate is taken for open always, and no write says
with which epoch it was begun. The agent is left as it is.
"""

import sys

if not any("agent" in word for word in sys.orig_argv):
    from parley.kit import db, gate

    gate.Gate.state = property(lambda self: gate.State.OPEN)
    gate.Gate.check = lambda self: None
    gate.Gate.may_end = lambda self, epoch: True
    db.BEGIN = "BEGIN; SELECT %d"
    db.BEGIN_LOCAL = "BEGIN; SET LOCAL synchronous_commit = local; SELECT %d"
