"""The rules of OAuth 2, run by Authlib in memory: its authorization server over what was read from the database.

Authlib calls its storage synchronously, so the actions first read the app, the code or the token that a request
names, hand them to `MemoryServer`, and afterwards write what it decided. No database and no network here.
Sources: RFC 6749, RFC 7636 (S256 only), RFC 7009, RFC 9700.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge

from parley.kit.ids import new_token, token_hash
from parley.social.sessions.oauth.errors import DESCRIPTIONS, OAuthError
from parley.social.sessions.oauth.store import AppRow, CodeRow, TokenOwner
from parley.social.sessions.scopes import DEFAULT_SCOPE, are_covered_scopes, are_known_scopes, split_scopes

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
_ENDPOINT = "https://localhost/oauth"
# Authlib looks at the scheme alone; whether the instance itself is on https is the settings' business.

_SENDABLE = re.compile(r"[\x21-\x7e]+")
_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]
    """An app as Authlib asks about it."""

    app: AppRow

    def get_client_id(self) -> str:
        """The app's public name."""
        return self.app.client_id

    def get_default_redirect_uri(self) -> str | None:
        """None: an app must always say where to."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The wanted scopes if the app registered them all (or wider ones), else None: Authlib refuses then."""
        wanted = wanted_scopes(self.app, scope)
        return " ".join(wanted) if wanted else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exactly one of those that were registered."""
        return redirect_uri in self.app.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """In constant time, against the hash."""
        return hmac.compare_digest(token_hash(client_secret), self.app.client_secret_hash)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Every registered app may use its secret, or go without one where PKCE or the token itself proves it."""
        return True

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Codes and client credentials; there are no refresh tokens and no password grant."""
        return grant_type in ("authorization_code", "client_credentials")


def wanted_scopes(app: AppRow, scope: str | None) -> tuple[str, ...]:
    """The scopes that a request of `app` means: those named, or `read` when it names none.

    Empty when one of them is unknown or not covered by what the app registered.
    """
    wanted = split_scopes(scope or "") or (DEFAULT_SCOPE,)
    if are_known_scopes(wanted) and are_covered_scopes(frozenset(app.scopes), wanted):
        return wanted
    return ()


@dataclass(frozen=True)
class Code:
    """An authorization code as Authlib asks about it."""

    row: CodeRow

    @property
    def code_challenge(self) -> str | None:
        """PKCE's challenge, or None when the app sent none."""
        return self.row.code_challenge

    code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        """Where the code was sent."""
        return self.row.redirect_uri

    def get_scope(self) -> str:
        """What the member granted."""
        return " ".join(self.row.scopes)


class S256Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone: `plain`, and a challenge without a method (which would mean plain), are refused."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Authlib's checks, and that the method is said."""
        super().validate_code_challenge(grant, redirect_uri)
        data = grant.request.payload.data
        if data.get("code_challenge") and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("The code_challenge_method must be S256.")


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749, 4.1."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTH_METHODS

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """The code, if it is this app's, unused and fresh; a used one is noted so that its tokens are revoked."""
        server: MemoryServer = self.server
        row = server.code
        if row is None or row.app_id != client.app.id:
            return None
        if row.used_at is not None:
            server.replayed = True
            return None
        return Code(row) if row.expires_at > server.moment else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """The action uses the code up."""

    def authenticate_user(self, authorization_code: Code) -> int:
        """Whose code it is."""
        return authorization_code.row.account_id


class AppGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749, 4.4: an app's token in its own name."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def validate_requested_scope(self) -> None:
        """What the app registered."""
        allowed = self.request.client.get_allowed_scope(self.request.payload.scope)
        if allowed is None:
            raise InvalidScopeError
        self.request.scope = allowed


@dataclass(frozen=True)
class Token:
    """An access token as Authlib asks about it."""

    owner: TokenOwner

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to this app."""
        return self.owner.app_id == client.app.id


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009. Who holds the token may revoke it: the secret is checked when it is sent, and may be left out."""

    CLIENT_AUTH_METHODS = _AUTH_METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        """The live token that the request names."""
        return Token(self.server.token) if self.server.token else None

    def revoke_token(self, token: Token, request: OAuth2Request) -> None:
        """The action revokes it."""
        self.server.revoked = token.owner


class _Request(OAuth2Request):  # type: ignore[misc]
    """A request to an OAuth endpoint, already parsed."""

    def __init__(self, method: str, params: Mapping[str, str], authorization: str = "") -> None:
        super().__init__(method, _ENDPOINT, headers={"Authorization": authorization} if authorization else {})
        self.payload = BasicOAuth2Payload(dict(params))

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        data: dict[str, str] = self.payload.data
        return data


@dataclass
class Decision:
    """What the rules decided: a token for `scopes`, for a member when `code` is set, else for the app itself."""

    app: AppRow
    scopes: tuple[str, ...]
    access_token: str
    code: CodeRow | None = None


@dataclass
class Known:
    """What the database holds of the things that a request names."""

    moment: datetime
    app: AppRow | None = None
    code: CodeRow | None = None
    token: TokenOwner | None = None
    replayed: bool = field(default=False, init=False)


class MemoryServer(AuthorizationServer):  # type: ignore[misc]
    """Authlib's authorization server for one request."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.moment = known.moment
        self.app = known.app
        self.code = known.code
        self.token = known.token
        self.replayed = False
        self.revoked: TokenOwner | None = None
        self.register_token_generator("default", _new_bearer)
        self.register_grant(CodeGrant, [S256Challenge(required=True)])
        self.register_grant(AppGrant)
        self.register_endpoint(Revocation)

    def query_client(self, client_id: str) -> Client | None:
        """The app that the request names."""
        return Client(self.app) if self.app is not None and self.app.client_id == client_id else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """The action stores it."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""


def _new_bearer(grant_type: str, client: Client, scope: str = "", **_: Any) -> dict[str, Any]:
    return {"access_token": new_token(), "token_type": "Bearer", "scope": scope}


def _translated(error: OAuth2Error) -> OAuthError:
    """Authlib's error with Mastodon's words, or its own where they say what to change."""
    code = error.error if error.error in DESCRIPTIONS else "invalid_request"
    text = error.description if code == "invalid_request" else None
    return OAuthError(code, text or None, detail=str(error.description or ""))


def decide_token(known: Known, params: Mapping[str, str], authorization: str) -> Decision:
    """Run RFC 6749's token endpoint over `known`; raises OAuthError.

    A replayed code raises too, after `known.replayed` was set: the caller revokes what came from it.
    """
    server = MemoryServer(known)
    request = _Request("POST", params, authorization)
    try:
        grant = server.get_token_grant(request)
        grant.validate_token_request()
        _, token, _ = grant.create_token_response()
    except OAuth2Error as error:
        known.replayed = server.replayed
        raise _translated(error) from error
    client: Client = request.client
    code: Code | None = request.authorization_code
    scope = code.get_scope() if code else str(request.scope)
    return Decision(client.app, split_scopes(scope), token["access_token"], code.row if code else None)


def decide_revocation(known: Known, params: Mapping[str, str], authorization: str) -> TokenOwner | None:
    """Run RFC 7009 over `known`: the token to revoke, or None when there is nothing to do; raises OAuthError."""
    server = MemoryServer(known)
    endpoint = Revocation(server)
    try:
        endpoint.create_endpoint_response(_Request("POST", params, authorization))
    except OAuth2Error as error:
        if error.error == "invalid_grant":
            raise OAuthError("unauthorized_client") from error
        raise _translated(error) from error
    return server.revoked


@dataclass(frozen=True)
class Consent:
    """A checked authorization request."""

    redirect_uri: str
    scopes: tuple[str, ...]


def check_authorization(known: Known, params: Mapping[str, str]) -> Consent:
    """Run RFC 6749's authorization endpoint over `known`.

    Raises OAuthError. Response type and redirect_uri must be plain ASCII: Authlib quotes them in its messages.
    """
    for name in ("response_type", "redirect_uri"):
        if not _SENDABLE.fullmatch(params.get(name, "")) or '"' in params[name] or "\\" in params[name]:
            raise OAuthError("unsupported_response_type" if name == "response_type" else "invalid_redirect_uri")
    request = _Request("GET", params)
    try:
        grant = MemoryServer(known).get_authorization_grant(request)
        redirect_uri: str = grant.validate_authorization_request()
    except OAuth2Error as error:
        raise _translated(error) from error
    return Consent(redirect_uri, split_scopes(str(request.scope)))
