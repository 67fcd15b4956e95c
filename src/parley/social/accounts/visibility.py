"""Who sees which account. Pure: no query."""

from __future__ import annotations

from parley.social.accounts.views import AccountView, Viewer

SEEN = frozenset({"active", "limited"})


def may_see_account(viewer: Viewer | None, account: AccountView) -> bool:
    """Whether `viewer` may see that this account exists.

    A pending or suspended account is there for its owner and for those who moderate; a deleted one for
    nobody. Blocks do not hide an account (its statuses are another matter), as in Mastodon.
    """
    if account.state in SEEN:
        return True
    if account.state == "deleted" or viewer is None:
        return False
    return viewer.account_id == account.id or viewer.is_staff
