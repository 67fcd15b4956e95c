"""Apps as Mastodon's API shows them: https://docs.joinmastodon.org/entities/Application/"""

from __future__ import annotations

import msgspec

from parley.social.sessions.views import AppView, RegisteredApp


class Application(msgspec.Struct):
    """An app, without its secret. `redirect_uri` is the older form: all of them, one a line."""

    id: str
    name: str
    website: str | None
    scopes: list[str]
    redirect_uri: str
    redirect_uris: list[str]
    vapid_key: str = ""
    """Deprecated since 4.3; empty, as is the instance's own key."""


class CredentialApplication(Application):
    """What an app gets when it registers. A `client_secret_expires_at` of 0 is never."""

    client_id: str = ""
    client_secret: str = ""
    client_secret_expires_at: int = 0


def application_entity(view: AppView) -> Application:
    """The app as it sees itself."""
    return Application(
        id=str(view.id),
        name=view.name,
        website=view.website,
        scopes=list(view.scopes),
        redirect_uri="\n".join(view.redirect_uris),
        redirect_uris=list(view.redirect_uris),
    )


def credential_application_entity(registered: RegisteredApp) -> CredentialApplication:
    """The new app with its secret."""
    shown = msgspec.structs.asdict(application_entity(registered.app))
    return CredentialApplication(**shown, client_id=registered.app.client_id, client_secret=registered.client_secret)
