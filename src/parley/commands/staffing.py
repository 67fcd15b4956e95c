"""What commands of the desk share: who of the staff acts, and how accounts are named. Knows no command."""

from __future__ import annotations

from typing import Any

from parley.commands.judging import find_staff
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer


async def find_viewer(tx: Any, username: str) -> Viewer:
    """The member of the staff with this name, as one who acts. Raises NotFound, Forbidden."""
    staff = await find_staff(tx, username)
    return Viewer(account_id=staff.account_id, username=staff.username, role=staff.role)


async def find_account(tx: Any, settings: Settings, name: str) -> int:
    """The id of an account by its address (`alice`, `@remi@remote.example`) or number. Raises NotFound."""
    from parley.social.accounts.reads import get_account_id, get_account_views

    if name.isascii() and name.isdigit():
        if int(name) in await get_account_views(tx, [int(name)]):
            return int(name)
        raise NotFound(f"There is no account {name}.")
    username, _, domain = name.strip().removeprefix("@").partition("@")
    found = await get_account_id(tx, username, domain.lower() if domain and domain != settings.local_domain else None)
    if found is None:
        raise NotFound(f"There is no account {name}.")
    return found
