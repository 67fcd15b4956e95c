"""Every fact that the network records. Names are past tense; fields are ids and small values, never content."""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every fact. `account_id` is who did it."""

    account_id: int


class AccountCreated(Fact):
    """A local account was made, by sign-up or by an operator."""

    approved: bool


class AccountApproved(Fact):
    """`account_id` may now use the instance; `by_account_id` decided it (None: an operator's command)."""

    by_account_id: int | None = None


class AccountDeleted(Fact):
    """The member deleted the account."""


class ProfileUpdated(Fact):
    """A new revision of the profile is shown (or, when `held`, waits for a decision)."""

    revision: int
    held: bool = False


class SecurityChanged(Fact):
    """`what`: password_changed, email_changed, otp_enabled, otp_disabled, passkey_added, passkey_removed, signed_in..."""

    what: str


class MediaUploaded(Fact):
    """A file was received and waits to be processed."""

    media_id: int


class FollowRequested(Fact):
    """A locked account was asked."""

    target_id: int


class FollowRequestDeleted(Fact):
    """The request of `account_id` to `target_id` was withdrawn, rejected, or ended by a block."""

    target_id: int


class Followed(Fact):
    """`account_id` now follows `target_id`."""

    target_id: int


class Unfollowed(Fact):
    """`account_id` no longer follows `target_id`."""

    target_id: int


class Blocked(Fact):
    """`account_id` blocked `target_id`."""

    target_id: int


class Unblocked(Fact):
    """The block was lifted."""

    target_id: int


class Muted(Fact):
    """`account_id` muted `target_id`."""

    target_id: int


class Unmuted(Fact):
    """The mute was lifted."""

    target_id: int


class StatusPosted(Fact):
    """A status is published. Not recorded for a held one: see StatusHeld."""

    status_id: int


class StatusHeld(Fact):
    """A revision of a status waits for a decision."""

    status_id: int
    revision: int


class StatusRejected(Fact):
    """A write was refused by screening; nothing was stored but the result."""

    screening_id: int


class StatusEdited(Fact):
    """A new revision is shown."""

    status_id: int
    revision: int


class StatusDeleted(Fact):
    """Its author deleted it; it is gone from every public surface."""

    status_id: int


class StatusReblogged(Fact):
    """`status_id` is the boost, `original_id` what was boosted."""

    status_id: int
    original_id: int


class StatusUnreblogged(Fact):
    """The boost `status_id` was taken back."""

    status_id: int
    original_id: int


class StatusFavourited(Fact):
    """`account_id` likes the status."""

    status_id: int


class StatusUnfavourited(Fact):
    """Taken back."""

    status_id: int


class PollVoted(Fact):
    """`account_id` voted in `poll_id`."""

    poll_id: int
    status_id: int


class PollClosed(Fact):
    """The poll ended; `account_id` is its author."""

    poll_id: int
    status_id: int


class QuoteRevoked(Fact):
    """`account_id` took its status out of the quoting `status_id`."""

    status_id: int


class ReportFiled(Fact):
    """`account_id` reported `target_id`."""

    report_id: int
    target_id: int
