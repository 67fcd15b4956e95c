"""What the sessions room takes in and gives out. Frozen data, no rules; no secret but for its own reader."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """What a person fills in to join. `address` is the client's network address (for limits)."""

    username: str
    email: str
    password: str
    agreement: bool = False
    locale: str = "en"
    reason: str = ""
    invite_code: str = ""
    address: str = ""
    app_id: int | None = None


class SignUp(msgspec.Struct, frozen=True):
    """The new member. With neither flag set the account works at once."""

    account_id: int
    needs_confirmation: bool
    needs_approval: bool


class SignInStep(msgspec.Struct, frozen=True):
    """How far a sign-in is. Done: `account_id` is set, call `open_session`. Else a second factor is missing:
    ask for a code, keep `pending_token` in a hidden field and call `finish_sign_in_with_otp` or
    `finish_sign_in_with_recovery_code`."""

    account_id: int | None = None
    method: str = "password"
    pending_token: str = ""

    @property
    def needs_otp(self) -> bool:
        """Whether a code is still to be asked for."""
        return self.account_id is None


class SessionView(msgspec.Struct, frozen=True):
    """A browser that is signed in, for its owner. `method`: password, passkey or recovery_code."""

    id: int
    user_agent: str
    address: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    current: bool = False


class PasskeyView(msgspec.Struct, frozen=True):
    """A passkey, for its owner."""

    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


class PasskeyOptions(msgspec.Struct, frozen=True):
    """What the browser's WebAuthn call needs: `options` as JSON data, and a `handle` to send back with the
    answer."""

    options: dict[str, Any]
    handle: str


class OtpSetup(msgspec.Struct, frozen=True):
    """A new one-time-password secret: `uri` (otpauth://) for a QR code, `secret` (base32) for typing."""

    secret: str
    uri: str


class SecurityView(msgspec.Struct, frozen=True):
    """The state of a member's sign-in, for the settings page. `email` is private to its owner."""

    email: str
    unconfirmed_email: str | None
    otp_enabled: bool
    recovery_codes_left: int
    passkeys: tuple[PasskeyView, ...]
    needs_password: bool
    """Whether adding another way to sign in takes the password: who signed in just now need not give it."""


class PreferencesView(msgspec.Struct, frozen=True, kw_only=True):
    """A member's defaults. `visibility`: public, unlisted, private or direct. `expand_media`: default, show_all
    or hide_all. `quote_policy`: public, followers or nobody. `theme`: auto, light or dark."""

    visibility: str
    sensitive: bool
    language: str | None
    quote_policy: str
    expand_media: str
    expand_spoilers: bool
    theme: str
    locale: str


class PreferencesChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; UNSET leaves a preference as it is."""

    visibility: str | msgspec.UnsetType = msgspec.UNSET
    sensitive: bool | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    quote_policy: str | msgspec.UnsetType = msgspec.UNSET
    expand_media: str | msgspec.UnsetType = msgspec.UNSET
    expand_spoilers: bool | msgspec.UnsetType = msgspec.UNSET
    theme: str | msgspec.UnsetType = msgspec.UNSET
    locale: str | msgspec.UnsetType = msgspec.UNSET


class InviteView(msgspec.Struct, frozen=True):
    """An invitation, for its maker and staff."""

    id: int
    code: str
    created_by: int | None
    max_uses: int | None
    uses: int
    expires_at: datetime | None
    comment: str
    created_at: datetime


class PendingView(msgspec.Struct, frozen=True):
    """A person who waits for approval, for staff. `email` is private; `because` says what the banks found."""

    account_id: int
    username: str
    email: str
    confirmed: bool
    reason: str
    created_at: datetime
    because: tuple[str, ...] = ()


class AppView(msgspec.Struct, frozen=True):
    """An app that was registered."""

    id: int
    name: str
    website: str | None
    client_id: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    created_at: datetime


class NewApp(msgspec.Struct, frozen=True, kw_only=True):
    """What an app says of itself when it registers."""

    name: str
    redirect_uris: tuple[str, ...]
    scopes: str = ""
    website: str | None = None


class RegisteredApp(msgspec.Struct, frozen=True):
    """A new app with its secret, which is shown this once and stored only as a hash."""

    app: AppView
    client_secret: str


class AuthorizedAppView(msgspec.Struct, frozen=True):
    """An app that holds tokens of the viewer."""

    app: AppView
    scopes: tuple[str, ...]
    first_authorized_at: datetime
    last_used_at: datetime | None


class ConsentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request of an app to act for a member: what the consent page shows and sends back."""

    app: AppView
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str | None = None
    code_challenge: str | None = None
    force_login: bool = False

    @property
    def is_out_of_band(self) -> bool:
        """Whether the code is shown for copying instead of a redirect."""
        return self.redirect_uri == "urn:ietf:wg:oauth:2.0:oob"


class GrantedCode(msgspec.Struct, frozen=True):
    """The member's yes. Redirect to `redirect_to`; when it is None, show `code` for copying."""

    code: str
    redirect_to: str | None


class IssuedToken(msgspec.Struct, frozen=True):
    """A new access token, shown this once. `created_at` is Unix seconds. JSON as Mastodon's Token entity."""

    access_token: str
    token_type: str
    scope: str
    created_at: int
