"""Takes the commit guard away from every process of a host, for control runs alone.

Python runs this first of all where this folder is in PYTHONPATH. A commit is believed when the driver says that it was
done, as it would be in any other program: whether the wait for the standby was cancelled is not asked.
"""

from parley.kit import db


async def _commit(self, connection, transaction, *, local):
    await transaction.__aexit__(None, None, None)


db.Database._commit = _commit
