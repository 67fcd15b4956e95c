"""What the banks of sign-up say about somebody who wants an account, or another mail address.

The same clauses as for posts. This file must not make accounts.
"""

from __future__ import annotations

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Database
from parley.kit.errors import RejectedByPolicy
from parley.screening.account_banks import SignUp as Asked
from parley.screening.account_banks import SignUpVerdict, judge_sign_up
from parley.social.events.actions import record
from parley.social.events.facts import SignUpRefused


class SignUpRejected(RejectedByPolicy):
    """The banks refuse this mail address, network address or user name; the text names the clause, not the entry.

    A network address is told as the mail address is, so that nobody learns which of the two it was.
    """

    def __init__(self, verdict: SignUpVerdict, field: str) -> None:
        clause = screening.live_ruleset().clauses.get(verdict.clause or "")
        rule = f" under rule {clause.id} ({clause.title})" if clause else ""
        said = f"is not accepted here{rule}. If that is a mistake, write to the operator"
        super().__init__(detail=" ".join(verdict.because), fields={field: [("ERR_BLOCKED", said)]})
        self.verdict = verdict


def judge_joining(username: str, email: str, address: str) -> SignUpVerdict:
    """What the live ruleset says. Raises SignUpRejected when it refuses."""
    asked = Asked(username=username, email=email, address=address, now=now())
    verdict = judge_sign_up(screening.live_ruleset().accounts, asked)
    if verdict.tier == "reject":
        raise SignUpRejected(verdict, {"names": "username"}.get(verdict.bank, "email"))
    return verdict


async def keep_refusal(db: Database, refusal: SignUpRejected, account_id: int = 0) -> None:
    """Put a refusal on record, without the address that was refused."""
    async with db.write() as tx:
        entries = tuple(sorted(refusal.verdict.entries))
        await record(tx, SignUpRefused(account_id=account_id, clause=refusal.verdict.clause or "", entries=entries))


async def judge_new_email(db: Database, email: str, account_id: int) -> None:
    """Ask the banks about a member's new mail address. Raises SignUpRejected, which is then on record."""
    try:
        judge_joining("", email, "")
    except SignUpRejected as refusal:
        await keep_refusal(db, refusal, account_id)
        raise
