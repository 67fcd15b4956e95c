"""Every fact that the network records. Names are past tense; fields are ids and small values, never content."""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every fact. `account_id` is who did it."""

    account_id: int


class AccountCreated(Fact, frozen=True):
    """A local account was made, by sign-up or by an operator."""

    approved: bool


class AccountApproved(Fact, frozen=True):
    """`account_id` may now use the instance; `by_account_id` decided it (None: an operator's command)."""

    by_account_id: int | None = None


class AccountDeleted(Fact, frozen=True):
    """The member deleted the account."""


class ProfileUpdated(Fact, frozen=True):
    """A new revision of the profile is shown (or, when `held`, waits for a decision)."""

    revision: int
    held: bool = False


class AccountUnlocked(Fact, frozen=True):
    """The account approves its followers no longer: those who wait may follow."""


class SecurityChanged(Fact, frozen=True):
    """`what`: password_changed, email_changed, otp_enabled, otp_disabled, passkey_added, passkey_removed and so on."""

    what: str


class MediaUploaded(Fact, frozen=True):
    """A file was received and waits to be processed."""

    media_id: int


class FollowRequested(Fact, frozen=True):
    """A locked account was asked."""

    target_id: int


class FollowRequestDeleted(Fact, frozen=True):
    """The request of `account_id` to `target_id` was withdrawn, rejected, or ended by a block."""

    target_id: int


class Followed(Fact, frozen=True):
    """`account_id` now follows `target_id`."""

    target_id: int


class Unfollowed(Fact, frozen=True):
    """`account_id` no longer follows `target_id`."""

    target_id: int


class Blocked(Fact, frozen=True):
    """`account_id` blocked `target_id`."""

    target_id: int


class Unblocked(Fact, frozen=True):
    """The block was lifted."""

    target_id: int


class Muted(Fact, frozen=True):
    """`account_id` muted `target_id`."""

    target_id: int


class Unmuted(Fact, frozen=True):
    """The mute was lifted."""

    target_id: int


class StatusPosted(Fact, frozen=True):
    """A status is published. Not recorded for a held one: see StatusHeld."""

    status_id: int


class StatusHeld(Fact, frozen=True):
    """A revision of a status waits for a decision."""

    status_id: int
    revision: int


class StatusRejected(Fact, frozen=True):
    """A write was refused by screening; nothing was stored but the result."""

    screening_id: int


class RevisionRescreened(Fact, frozen=True):
    """A revision that could not be judged completely was judged again; `screening_id` is the new result."""

    subject_type: str
    subject_id: int
    revision: int
    screening_id: int
    outcome: str


class StatusEdited(Fact, frozen=True):
    """A new revision is shown."""

    status_id: int
    revision: int


class StatusDeleted(Fact, frozen=True):
    """Its author deleted it; it is gone from every public surface."""

    status_id: int


class StatusReblogged(Fact, frozen=True):
    """`status_id` is the boost, `original_id` what was boosted."""

    status_id: int
    original_id: int


class StatusUnreblogged(Fact, frozen=True):
    """The boost `status_id` was taken back."""

    status_id: int
    original_id: int


class StatusFavourited(Fact, frozen=True):
    """`account_id` likes the status."""

    status_id: int


class StatusUnfavourited(Fact, frozen=True):
    """Taken back."""

    status_id: int


class PollVoted(Fact, frozen=True):
    """`account_id` voted in `poll_id`."""

    poll_id: int
    status_id: int


class PollClosed(Fact, frozen=True):
    """The poll ended; `account_id` is its author."""

    poll_id: int
    status_id: int


class QuoteRevoked(Fact, frozen=True):
    """`account_id` took its status out of the quoting `status_id`."""

    status_id: int


class ReportFiled(Fact, frozen=True):
    """`account_id` reported `target_id`."""

    report_id: int
    target_id: int
