"""Apps as others may see them: never with a secret."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.social.accounts.views import Viewer
from parley.social.sessions.oauth import store
from parley.social.sessions.views import AppView, AuthorizedAppView


def app_view(row: store.AppRow) -> AppView:
    """The row without its secret."""
    return AppView(
        id=row.id,
        name=row.name,
        website=row.website,
        client_id=row.client_id,
        redirect_uris=tuple(row.redirect_uris),
        scopes=tuple(row.scopes),
        created_at=row.created_at,
    )


async def get_app(tx: Tx, app_id: int) -> AppView:
    """An app; raises NotFound."""
    row = await store.get_app_row(tx, app_id)
    if row is None:
        raise NotFound
    return app_view(row)


async def list_authorized_apps(tx: Tx, viewer: Viewer) -> list[AuthorizedAppView]:
    """The apps that may act for the viewer now, newest first, each with the scopes of all its tokens."""
    return [
        AuthorizedAppView(
            app=AppView(
                id=row.id,
                name=row.name,
                website=row.website,
                client_id=row.client_id,
                redirect_uris=tuple(row.redirect_uris),
                scopes=tuple(row.app_scopes),
                created_at=row.created_at,
            ),
            scopes=tuple(row.scopes),
            first_authorized_at=row.first_at,
            last_used_at=row.last_used_at,
        )
        for row in await store.list_authorized_rows(tx, viewer.account_id)
    ]
