"""Questions to whoever sent a notice: what cannot be decided without them waits, and the clock stands still.

Only what was promised to them stands still, and for no longer than the policy allows for one notice together (`clocks`,
`answer_wait`). Threats to life are never waited for, nor what hides content until somebody decides, nor what was
promised to others who named the same. EU 2021/784, Article 3(8), says likewise of orders that lack information.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from parley.kit.cleaning import clean_text
from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.safety.cases import store, store_clocks
from parley.safety.cases.clocks import pause_clock, resume_clock
from parley.safety.cases.store_clocks import ClockRow
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, human
from parley.safety.notices import store_notices, store_questions
from parley.safety.notices.reads import load_notice, need_other_staff
from parley.safety.notices.sending import answer_address, queue_message
from parley.safety.notices.store_notices import StoredNotice
from parley.safety.notices.views import Ended
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer

MOST_WORDS = 4000
MOST_ANSWER = 20_000
LEAST = timedelta(minutes=5)
"""When no more than this is left of the time that clocks may stand still, they go on."""


async def ask_sender(tx: Tx, viewer: Viewer, notice_id: int, text: str) -> int:
    """Ask whoever sent a notice for what is missing; returns the question's id. Its clocks stand still where they may.

    Raises NotFound for who is not staff, Invalid without words, Conflict where nothing waits or nobody can be asked.
    """
    await need_other_staff(tx, viewer, notice_id)
    said = clean_text(text).strip()
    if not said:
        raise Invalid("Write what you need to know.")
    if len(said) > MOST_WORDS:
        raise Invalid(f"This is longer than {MOST_WORDS} characters. Shorten it.")
    row = await store_notices.lock_notice(tx, notice_id)
    if row is None:
        raise NotFound
    if row.answered_at is not None:
        raise Conflict("This notice has its answer: nothing of it waits for what its sender knows.")
    if await store_questions.get_locked_open(tx, notice_id) is not None:
        raise Conflict("Its sender has a question of ours already. Wait for the answer, or go on without it.")
    notice = await load_notice(tx, notice_id)
    address = answer_address(notice)
    if not address and notice.channel != "api":
        raise Conflict("Its sender left no address, so nobody would read this. Decide with what there is.")
    moment = now()
    left = await _time_left(tx, notice_id)
    clocks = await _lock_pausable(tx, row, moment) if left > LEAST else []
    until = moment + (left if clocks else _allowed())
    question_id, actor = await get_new_id(tx), human(viewer)
    case_id = notice.case_ids[0] if notice.case_ids else None
    await append_event(
        tx, actor, "question_asked", case_id=case_id, notice_id=str(notice_id), clocks=len(clocks), until_at=until
    )
    ids = [clock.id for clock in clocks]
    await store_questions.insert_question(tx, question_id, notice_id, viewer.account_id, said, ids, moment, until)
    if address:
        await queue_message(tx, notice_id, "question", address, question_id=question_id)
    for clock in clocks:
        if clock.case_id is None:
            # Until the question ends it is due as late as it can be: nothing calls it overdue while nobody may decide.
            await store_questions.update_due(tx, notice_id, clock.due_at + left)
        await pause_clock(tx, actor, clock.id)
    return question_id


async def answer_question(tx: Tx, actor: Actor, notice_id: int, text: str) -> None:
    """Whoever sent the notice answers: the clocks go on. The door knows that it is them.

    Raises Invalid without words, Conflict when nothing is asked.
    """
    said = clean_text(text[: 4 * MOST_ANSWER]).strip()
    if not said:
        raise Invalid("Write your answer.")
    if not await end_question(tx, actor, notice_id, "answered", answer=said[:MOST_ANSWER]):
        raise Conflict("There is no open question about this notice. It was answered, or its time was over.")


async def take_reply(tx: Tx, actor: Actor, notice_id: int, *, address: str, text: str) -> bool:
    """A mail in the thread of a notice answers the open question when it comes from whom the question went to, or, as
    `actor` says, from the provider. What it says is empty when nobody can read it: the raw mail is kept."""
    notice = await load_notice(tx, notice_id)
    own = notice.provider is not None and (actor.type, actor.id) == ("provider", notice.provider.id)
    if not own and (not address or address.lower() != answer_address(notice).lower()):
        return False
    return await end_question(tx, actor, notice_id, "answered", answer=clean_text(text).strip()[:MOST_ANSWER])


async def stop_waiting(tx: Tx, viewer: Viewer, notice_id: int) -> None:
    """A moderator goes on without the answer, or has it by another way. Raises NotFound or Conflict."""
    await need_other_staff(tx, viewer, notice_id)
    if not await end_question(tx, human(viewer), notice_id, "ended"):
        raise Conflict("No question about this notice is open.")


async def end_question(tx: Tx, actor: Actor, notice_id: int, how: Ended, *, answer: str = "") -> bool:
    """The open question ends, and its clocks go on with as much time as was left; False when none is open."""
    await store_notices.lock_notice(tx, notice_id)
    question = await store_questions.get_locked_open(tx, notice_id)
    if question is None:
        return False
    clocks = await store_clocks.list_clocks(tx, question.paused_clocks)
    await _lock_cases(tx, clocks)
    case_id = next((clock.case_id for clock in clocks if clock.case_id is not None), None)
    await append_event(tx, actor, f"question_{how}", case_id=case_id, notice_id=str(notice_id))
    await store_questions.update_ended(tx, question.id, how, answer, now())
    for clock in await store_clocks.list_clocks(tx, question.paused_clocks):  # as they are, now that they are locked
        if clock.state != "paused":
            continue  # decided meanwhile
        due_at = await resume_clock(tx, actor, clock.id)
        if clock.case_id is None:
            await store_questions.update_due(tx, notice_id, due_at)
    return True


def _allowed() -> timedelta:
    return timedelta(hours=live_ruleset().head.clocks.answer_wait)


async def _time_left(tx: Tx, notice_id: int) -> timedelta:
    """For how long clocks of a notice may still stand still: who asks again and again gains nothing."""
    left = _allowed()
    for one in await store_questions.list_questions(tx, notice_id):
        if one.paused_clocks and one.ended_at is not None:
            left -= min(one.ended_at, one.until_at) - one.asked_at
    return left


async def _lock_pausable(tx: Tx, row: StoredNotice, moment: datetime) -> list[ClockRow]:
    """The clocks that may stand still while its sender is asked, their cases locked."""
    if row.severity == 0:
        return []
    found = await store_clocks.list_pausable(tx, row.id, row.source, moment)
    await _lock_cases(tx, found)
    return await store_clocks.list_pausable(tx, row.id, row.source, moment)  # as they are, now that they are locked


async def _lock_cases(tx: Tx, clocks: Sequence[ClockRow]) -> None:
    """Lock the cases of clocks before the clocks, as everybody does who changes them."""
    for case_id in sorted({clock.case_id for clock in clocks if clock.case_id is not None}):
        await store.get_locked_case(tx, case_id)
