"""Every action of this room, on one screen; each stands in the file of its subject.

Those that check a password or count tries take `instance` and open their own transactions; see sign_in.
"""

from __future__ import annotations

from parley.social.sessions.browsers import open_session, revoke_other_sessions, revoke_session, sign_out
from parley.social.sessions.credentials import (
    change_email,
    change_password,
    check_password,
    request_password_reset,
    reset_password,
)
from parley.social.sessions.factors.otp import begin_otp_setup, disable_otp, enable_otp, new_recovery_codes
from parley.social.sessions.factors.passkeys import (
    begin_passkey_registration,
    begin_passkey_sign_in,
    delete_passkey,
    finish_passkey_registration,
    finish_passkey_sign_in,
    rename_passkey,
)
from parley.social.sessions.members import (
    approve_account,
    create_invite,
    create_member,
    create_operator_invite,
    delete_invite,
    reject_account,
    set_disabled,
    set_role,
    set_role_by_operator,
)
from parley.social.sessions.oauth.actions import (
    authorization_request,
    create_token,
    create_token_for,
    deny_authorization,
    exchange_token,
    grant_authorization,
    issue_token,
    register_app,
    revoke_all_tokens,
    revoke_app,
    revoke_token,
)
from parley.social.sessions.preferences import update_preferences
from parley.social.sessions.sign_in import (
    finish_sign_in_with_otp,
    finish_sign_in_with_recovery_code,
    start_sign_in,
)
from parley.social.sessions.sign_up import (
    confirm_email,
    resend_confirmation,
    resend_own_confirmation,
    sign_up,
)

__all__ = [
    "approve_account",
    "authorization_request",
    "begin_otp_setup",
    "begin_passkey_registration",
    "begin_passkey_sign_in",
    "change_email",
    "change_password",
    "check_password",
    "confirm_email",
    "create_invite",
    "create_member",
    "create_operator_invite",
    "create_token",
    "create_token_for",
    "delete_invite",
    "delete_passkey",
    "deny_authorization",
    "disable_otp",
    "enable_otp",
    "exchange_token",
    "finish_passkey_registration",
    "finish_passkey_sign_in",
    "finish_sign_in_with_otp",
    "finish_sign_in_with_recovery_code",
    "grant_authorization",
    "issue_token",
    "new_recovery_codes",
    "open_session",
    "register_app",
    "reject_account",
    "rename_passkey",
    "request_password_reset",
    "resend_confirmation",
    "resend_own_confirmation",
    "reset_password",
    "revoke_all_tokens",
    "revoke_app",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_token",
    "set_disabled",
    "set_role",
    "set_role_by_operator",
    "sign_out",
    "sign_up",
    "start_sign_in",
    "update_preferences",
]
