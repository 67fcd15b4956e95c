"""Every fact that the network records. Names are past tense; fields are ids and small values, never content."""

# Long because every fact stands here, to be read in one place.

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


class HashesBanked(Fact, frozen=True):
    """A bank of hashes holds `hashes` more rows, with ids from `first_id` to `last_id`, or looks for them otherwise
    than before. 0 did it from a shell."""

    bank_id: int
    first_id: int
    last_id: int
    hashes: int


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


class StatusImported(Fact, frozen=True):
    """A status that was posted elsewhere first is published. It goes to no home, and nobody is told."""

    status_id: int


class StatusHeld(Fact, frozen=True):
    """A revision of a status waits for a decision. `told`: its author is told with its reasons already."""

    status_id: int
    revision: int
    told: bool = False


class StatusRestricted(Fact, frozen=True):
    """Screening restricted a status that its author has reason to believe published: `state` is limited, or
    hidden_interim where others had read it."""

    status_id: int
    revision: int
    screening_id: int
    state: str


class StatusRejected(Fact, frozen=True):
    """A write was refused by screening; nothing was stored but the result."""

    screening_id: int


class RulesetChanged(Fact, frozen=True):
    """Another ruleset judges from now on. `what`: policy (activated by people), bank (entries changed) or program (a
    folder's or shipped policy, or the judge itself, is another). `changed` names at most 100 rules (`rule:spam`) and
    entries (`words:own:x`); `previous` is empty for the first. `account_id` is 0 where nobody did it."""

    what: str
    ruleset: str
    previous: str
    policy_sha256: str
    bank_revision: int
    changed: tuple[str, ...] = ()


class PolicyProposed(Fact, frozen=True):
    """A version of the policy was kept, for others to look at."""

    policy_sha256: str


class PolicyApproved(Fact, frozen=True):
    """A member of the staff approved a version."""

    policy_sha256: str


class PolicyActivated(Fact, frozen=True):
    """A version was made live. `alone`: four eyes would have been needed, but this instance does without them.
    `without_backtest`: in an emergency, for the reason in the note of the activation."""

    policy_sha256: str
    needs_second: bool
    alone: bool
    without_backtest: bool


class BankChanged(Fact, frozen=True):
    """Entries of this instance's banks were added or removed; `change_id` is the banks' new revision."""

    change_id: int
    added: int
    removed: int


class BankDraftKept(Fact, frozen=True):
    """A list with `entries` new, changed or removed entries is too large for one person: it waits for a second one.
    `account_id` is 0 for an operator's shell."""

    draft_id: int
    bank: str
    entries: int


class BankDraftApproved(Fact, frozen=True):
    """A member of the staff stands behind a list; `enough` when it is looked for now. `alone`: a second one would have
    been needed, but this instance does without (then `draft_id` may be 0: it never waited)."""

    draft_id: int
    bank: str
    entries: int
    enough: bool
    alone: bool


class BankDraftEnded(Fact, frozen=True):
    """A list waits no more; `state`: confirmed, refused or stale."""

    draft_id: int
    bank: str
    state: str


class ExchangeApproved(Fact, frozen=True):
    """A member of the staff stands behind a programme that shares hashes; `enough` when it may bring in all it has."""

    exchange: str
    enough: bool


class SignUpRefused(Fact, frozen=True):
    """The banks refused a sign-up (`account_id` is 0) or a member's new mail address; `entries` are those found."""

    clause: str
    entries: tuple[str, ...]


class RuleAlarmRaised(Fact, frozen=True):
    """A rule did far more (`many`) or less (`few`) in an hour than it used to, or reached its cap (`cap`)."""

    rule: str
    kind: str
    count: int
    expected: float
    hour: str


class RevisionRescreened(Fact, frozen=True):
    """A revision that could not be judged completely was judged again; `screening_id` is the new result.

    `first`: it waited for its files, so nothing has been said to its author yet.
    """

    subject_type: str
    subject_id: int
    revision: int
    screening_id: int
    outcome: str
    first: bool = False


class RevisionWithdrawn(Fact, frozen=True):
    """A profile or a description of `account_id` that was shown is taken back, because it was judged again."""

    subject_type: str
    screening_id: int


class SweepPlanned(Fact, frozen=True):
    """History is to be judged again under the ruleset. `account_id` is 0 where a change of the ruleset did it."""

    sweep_id: int
    ruleset: str
    total: int


class SweepCounted(Fact, frozen=True):
    """What a sweep would do was found out: `expected` revisions would be hidden, limited or published."""

    sweep_id: int
    judged: int
    expected: int


class SweepApproved(Fact, frozen=True):
    """A member of the staff approved a sweep; `enough` when it may run. `alone`: a second one would have been needed,
    but this instance does without."""

    sweep_id: int
    enough: bool
    alone: bool


class SweepStarted(Fact, frozen=True):
    """A sweep began to act."""

    sweep_id: int


class SweepCompleted(Fact, frozen=True):
    """A sweep went through all of its history."""

    sweep_id: int
    acted: int


class SweepAborted(Fact, frozen=True):
    """A sweep was ended before it was through."""

    sweep_id: int


class SweepUndone(Fact, frozen=True):
    """What a sweep did was taken back, as far as nothing else has happened since."""

    sweep_id: int
    restored: int
    kept: int


class RevisionSwept(Fact, frozen=True):
    """A sweep did something about a revision of `account_id`: hidden, revision_hidden, limited, released, withdrawn
    (a profile or a description), file_hidden (the file itself) or flagged. `screening_id` is the new result."""

    sweep_id: int
    subject_type: str
    subject_id: int
    revision: int
    screening_id: int
    kind: str


class RevisionRestored(Fact, frozen=True):
    """What a sweep did about a revision of `account_id` was taken back."""

    sweep_id: int
    subject_type: str
    subject_id: int
    revision: int


class LabelRecorded(Fact, frozen=True):
    """`account_id` (0: nobody by name) said what should have happened to a revision."""

    subject_type: str
    subject_id: int
    revision: int
    outcome: str
    clause: str | None
    source: str


class ModelPromoted(Fact, frozen=True):
    """Another text model judges from now on; `previous` is the one before. An empty hash is the model that ships."""

    sha256: str
    previous: str
    candidate_id: int | None


class StatusEdited(Fact, frozen=True):
    """A new revision is shown."""

    status_id: int
    revision: int


class RequiredChangeMade(Fact, frozen=True):
    """Its author changed what moderators had hidden until it is changed; the judge found nothing in `revision`."""

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


class CaseOpened(Fact, frozen=True):
    """The conduct of `target_id` is before the moderators. `account_id` is 0 where no member asked for it."""

    case_id: int
    target_id: int


class CaseEscalated(Fact, frozen=True):
    """A case waits for somebody with more say: `to` is a role or a name."""

    case_id: int
    to: str


class ClockBreached(Fact, frozen=True):
    """A promise to answer in time was not kept; exactly one of the three ids is set."""

    clock_id: int
    kind: str
    case_id: int | None = None
    notice_id: int | None = None
    appeal_id: int | None = None


class DecisionMade(Fact, frozen=True):
    """Something was decided about `target_id`. `account_id` is who decided; 0: a rule, a clock, a jury."""

    decision_id: int
    target_id: int
    kind: str
    case_id: int | None = None


class DecisionReversed(Fact, frozen=True):
    """What a decision did about `target_id` was taken back by another."""

    decision_id: int
    by_decision_id: int
    target_id: int


class AppealFiled(Fact, frozen=True):
    """`account_id` (0: somebody without an account) asks for another look; `role` is author or reporter."""

    appeal_id: int
    decision_id: int
    role: str


class AppealDecided(Fact, frozen=True):
    """`outcome` is upheld, overturned or modified."""

    appeal_id: int
    outcome: str


class NoticeReceived(Fact, frozen=True):
    """A host, an app store, an authority or somebody without an account wrote to us. `account_id` is 0."""

    notice_id: int
    source: str


class IncidentDeclared(Fact, frozen=True):
    """A crisis: thresholds drop, new accounts are held."""

    incident_id: int


class IncidentConcluded(Fact, frozen=True):
    """The crisis is over."""

    incident_id: int
