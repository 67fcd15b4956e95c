"""The errors of OAuth, in the shape of RFC 6749 (section 5.2) and with Mastodon's words."""

from __future__ import annotations

from parley.kit.errors import ParleyError

DESCRIPTIONS = {
    "access_denied": "The resource owner or authorization server denied the request.",
    "invalid_client": (
        "Client authentication failed due to unknown client, no client authentication included, "
        "or unsupported authentication method."
    ),
    "invalid_grant": (
        "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI "
        "used in the authorization request, or was issued to another client."
    ),
    "invalid_redirect_uri": "The redirect uri included is not valid.",
    "invalid_request": (
        "The request is missing a required parameter, includes an unsupported parameter value, "
        "or is otherwise malformed."
    ),
    "invalid_scope": "The requested scope is invalid, unknown, or malformed.",
    "unauthorized_client": "You are not authorized to revoke this token",
    "unsupported_grant_type": "The authorization grant type is not supported by the authorization server.",
    "unsupported_response_type": "The authorization server does not support this response type.",
}

_STATUS = {"invalid_client": 401, "access_denied": 403, "unauthorized_client": 403}


class OAuthError(ParleyError):
    """`code` is RFC 6749's error, `text` its description; the body is `{"error", "error_description"}`."""

    def __init__(self, code: str, text: str | None = None, *, detail: str = "") -> None:
        super().__init__(text or DESCRIPTIONS[code], detail=detail)
        self.code = code
        self.status = _STATUS.get(code, 400)
        self.extra = {"error": code, "error_description": self.text}


class AuthorizationRefused(OAuthError):
    """A request for consent that cannot be granted: `text` is shown to the person.

    The browser is not sent back to the app with the error: anybody may register an app, and the server would
    become a redirector to wherever that leads (RFC 9700, 4.11.2).
    """
