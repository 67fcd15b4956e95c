"""The errors that a door may show. Anything else is a 500 and a bug.

Each class carries a code, an HTTP status, a safe text for the person and, optionally, private detail for the log.
Doors render them once: the API as `{"error": ...}`, the web as a page.
"""

from __future__ import annotations

from typing import Any


class ParleyError(Exception):
    """Base of every error that is meant to be shown.

    `text` is safe to show and says what to do. `detail` goes to the log only. `extra` is merged into the
    API's JSON body (for example `details` of a sign-up, as in Mastodon's documentation).
    """

    code = "error"
    status = 500
    default_text = "Something went wrong on our side. Please try again."

    def __init__(self, text: str | None = None, *, detail: str = "", extra: dict[str, Any] | None = None) -> None:
        self.text = text or self.default_text
        self.detail = detail
        self.extra = extra or {}
        super().__init__(self.text)


class BadRequest(ParleyError):
    """400: the request cannot be understood."""

    code = "bad_request"
    status = 400
    default_text = "The request could not be understood."


class Unauthorized(ParleyError):
    """401: no valid credentials were given."""

    code = "unauthorized"
    status = 401
    default_text = "The access token is invalid"


class Forbidden(ParleyError):
    """403: known, but not allowed (a scope, a role or a state of the account is missing)."""

    code = "forbidden"
    status = 403
    default_text = "This action is not allowed"


class NotFound(ParleyError):
    """404: missing, or invisible to this viewer: both look the same on purpose."""

    code = "not_found"
    status = 404
    default_text = "Record not found"


class Conflict(ParleyError):
    """409: somebody else changed the same thing first."""

    code = "conflict"
    status = 409
    default_text = "Somebody else changed this at the same time. Load it again and repeat your change."


class Gone(ParleyError):
    """410: it was here and has been deleted for good."""

    code = "gone"
    status = 410
    default_text = "This has been deleted"


class TooLarge(ParleyError):
    """413: the upload is larger than the limit."""

    code = "too_large"
    status = 413
    default_text = "This file is too large"


class Invalid(ParleyError):
    """422: well-formed but not acceptable; the text says what to change.

    `fields` maps a field to a list of `(code, description)`, rendered as Mastodon's `details`.
    """

    code = "invalid"
    status = 422
    default_text = "Validation failed"

    def __init__(
        self,
        text: str | None = None,
        *,
        detail: str = "",
        fields: dict[str, list[tuple[str, str]]] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.fields = fields or {}
        merged = dict(extra or {})
        if self.fields:
            merged["details"] = {
                name: [{"error": code, "description": description} for code, description in problems]
                for name, problems in self.fields.items()
            }
            if text is None:
                text = "Validation failed: " + "; ".join(
                    f"{name} {description}" for name, problems in self.fields.items() for _, description in problems
                )
        super().__init__(text, detail=detail, extra=merged)


class RejectedByPolicy(Invalid):
    """422: screening rejected the content; the text names the clause and what to change."""

    code = "rejected_by_policy"


class RateLimited(ParleyError):
    """429: too many tries. `retry_after` is in seconds."""

    code = "rate_limited"
    status = 429
    default_text = "Too many requests. Please wait a little and try again."

    def __init__(self, text: str | None = None, *, retry_after: int = 60, detail: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(text, detail=detail)


class Unavailable(ParleyError):
    """503: cannot take this now; `retry_after` (seconds) says when to try again."""

    code = "unavailable"
    status = 503
    default_text = "Parley cannot do this right now. Please try again in a moment."

    def __init__(self, text: str | None = None, *, retry_after: int = 5, detail: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(text, detail=detail)


class ReadOnly(Unavailable):
    """503: the database takes no writes; what only reads goes on."""

    default_text = "This instance can only be read right now. Please try again in a minute."


class DatabaseLost(Unavailable):
    """503: the database cannot be asked."""

    default_text = "The database cannot be reached right now."


class StoreRefused(Unavailable):
    """503: the place where files are kept, or the disk of this machine, takes none now, or does not answer."""

    code = "store_refused"
    default_text = (
        "This could not be stored, and nothing of it was kept. Please send it again in a few minutes. If it fails "
        "again, tell the people who run this server."
    )

    def __init__(self, text: str | None = None, *, retry_after: int = 60, detail: str = "") -> None:
        super().__init__(text, retry_after=retry_after, detail=detail)


class StoreSilent(StoreRefused):
    """503: a file that is kept cannot be read now."""

    default_text = "This file cannot be read right now. Please try again in a few minutes."
