"""The words of the mails about signing in: plain functions from facts to (subject, text). No markup, no tracking."""

from __future__ import annotations

from typing import Any, TypeAlias

from parley.kit.settings import Settings

Letter: TypeAlias = tuple[str, str]

SECURITY = {
    "password_changed": "The password of your account was changed, and other browsers were signed out.",
    "password_reset": (
        "The password of your account was set anew by a link from a mail. Every browser was signed out, and every "
        "app must be allowed again."
    ),
    "email_changed": "The e-mail address of your account was changed. Mails go to the new address from now on.",
    "otp_enabled": "Signing in to your account now also takes a code from your authenticator app.",
    "otp_disabled": "Signing in to your account no longer takes a code from your authenticator app.",
    "recovery_codes_made": "New recovery codes were made for your account. The old ones no longer work.",
    "passkey_added": "A passkey was added to your account. It can sign in without your password.",
    "passkey_removed": "A passkey was removed from your account.",
}


def _page(text: str, username: str, settings: Settings) -> str:
    return f"Hello @{username},\n\n{text}\n\n-- \n{settings.name}\n{settings.base_url}\n"


def confirmation(settings: Settings, username: str, token: str) -> Letter:
    """Asks to prove a new or changed address."""
    text = (
        f"please confirm that this e-mail address is yours. Open this page and press the button:\n\n"
        f"{settings.base_url}/confirm/{token}\n\n"
        "The link works for three days. If you did not ask for this, you need not do anything: without your\n"
        "confirmation nothing happens."
    )
    return f"Confirm your e-mail address on {settings.name}", _page(text, username, settings)


def password_reset(settings: Settings, username: str, token: str) -> Letter:
    """Lets a member in who forgot the password."""
    text = (
        "somebody, probably you, asked for a new password for your account. To choose one, open this page:\n\n"
        f"{settings.base_url}/password/new/{token}\n\n"
        "The link works once, for two hours. If it was not you, do nothing: your password stays as it is."
    )
    return f"Choose a new password on {settings.name}", _page(text, username, settings)


def security_notice(settings: Settings, username: str, what: str) -> Letter:
    """Tells a member what changed about signing in."""
    text = (
        f"{SECURITY[what]}\n\n"
        "If it was you, all is well. If not, choose a new password at once, which also signs everybody else out:\n\n"
        f"{settings.base_url}/password/forgotten\n\n"
        "Then look at your passkeys and apps in the settings, and write to the people who run this instance."
    )
    return f"The security of your account on {settings.name} changed", _page(text, username, settings)


def rule_alarm(settings: Settings, username: str, alarm: dict[str, Any]) -> Letter:
    """Tells the staff that a rule of the policy acts far more or less often than it used to."""
    rule, count, expected = alarm["rule"], alarm["count"], round(float(alarm["expected"]))
    hour = f"{alarm['hour'][:13].replace('T', ' ')}:00 UTC"
    if alarm["kind"] == "cap":
        what = f"the rule {rule!r} has acted {count} times in the hour of {hour}, which is its cap ({expected})."
        what += "\nUntil the hour is over it does less than it says: what it would refuse is held, or is only flagged."
    else:
        more = "more" if alarm["kind"] == "many" else "less"
        what = (
            f"the rule {rule!r} fired {count} times in the hour of {hour}. Usually it is about {expected}: far {more}."
        )
    text = (
        f"{what}\n\nEither people do something new, or the rule is wrong. Look at what it found, and change the\n"
        "policy if you must: `parley policy rules` shows what every rule does."
    )
    return f"A rule of the policy needs a look on {settings.name}", _page(text, username, settings)


def emergency(settings: Settings, done: dict[str, Any]) -> Letter:
    """Tells admins and owners who made which policy live without a backtest, when, why, and how to go back. Without the
    greeting: `write_to_staff` has it.

    `done`: `username`, `at` (ISO 8601), `policy` and `previous` (hashes), `follow` (whether the previous one gave way
    to newer ones by itself), `why`, `note`, `changes` (what decides otherwise now, in words), `more` (so many besides),
    `alone` (whether nobody else had approved it).
    """
    moment = f"{done['at'][:16].replace('T', ' ')} UTC"
    policy, previous = done["policy"][:12], done["previous"][:12]
    changes = "\n".join(f"  {change}" for change in done["changes"])
    changes += f"\n  and {done['more']} more" if done["more"] else ""
    kept = f"\nNote: {done['note']}" if done["note"] else ""
    back = f"parley policy activate {previous} --as NAME" + (" --follow" if done["follow"] else "")
    how = "alone," if done["alone"] else "with the approval of a second person,"
    text = (
        f"@{done['username']} has made the policy {policy} live in an emergency, on {moment}: {how}\n"
        "and without trying it on history first.\n\n"
        f"Why: {done['why']}{kept}\n\n"
        f"What decides otherwise since then:\n{changes}\n\n"
        f"All of it: parley policy diff {previous} {policy}\n\n"
        f"If that was right, there is nothing to do. To undo it, let {previous} be live again, as it was before:\n\n"
        f"  parley policy backtest {previous} --by NAME\n"
        f"  {back}\n\n"
        f"If that cannot wait for a backtest, two people do it at once:\n\n"
        f"  parley policy approve {previous} --as SOMEBODY_ELSE\n"
        f'  {back} --emergency "why"\n\n'
        f"If it was not @{done['username']}, somebody else can run commands on this machine: see to that first.\n"
    )
    return f"The policy was changed in an emergency at {settings.name}", text


def approval(settings: Settings, username: str, needs_confirmation: bool) -> Letter:
    """Tells a newcomer that a moderator approved the account."""
    text = "a moderator has approved your account. "
    if needs_confirmation:
        text += (
            "One step is left: confirm your e-mail address with the link in our first mail. If you cannot find\n"
            f"it, sign in at {settings.base_url}/sign-in and ask for a new one."
        )
    else:
        text += f"You can sign in now:\n\n{settings.base_url}/sign-in"
    return f"Welcome to {settings.name}", _page(text, username, settings)
