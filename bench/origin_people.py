"""The people of the replay: one moderator with a script, the owner who reviews appeals, members, and a provider.

They act through the same actions and doors as everybody, at a human pace; what they know of a post is its truth, which
they misread now and then.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.origin_stream import CLAUSES, FADES, REPEATED, REPORTED_WITHIN, REPORTS_OF, TRUTHS, Post, Truth
from bench.origin_world import World
from parley.kit.clock import now
from parley.kit.errors import Conflict, NotFound, ParleyError
from parley.safety.appeals.actions import claim_appeal, decide_appeal, file_appeal
from parley.safety.appeals.reads import list_appeals
from parley.safety.appeals.states import Outcome
from parley.safety.cases.actions import claim_next_case
from parley.safety.cases.reads import list_similar
from parley.safety.cases.reports import file_report
from parley.safety.cases.views import CaseView, NewReport, SubjectView
from parley.safety.decisions.actions import decide, decide_copies
from parley.safety.decisions.views import ActionKind, DecisionView, NewAction, NewDecision
from parley.safety.log.views import Subject
from parley.social.accounts.views import Viewer
from parley.social.sessions.members import create_member
from parley.social.statuses.posting import post_status
from parley.social.statuses.views import NewStatus
from parley.social.verdicts.actions import Rejection, keep_rejection

WORDS = "Looked at by a person."
PASSWORD = "correct horse battery staple"
VETERANS = 0.75
"""The share of members who have been here for months; the others came lately, and some in these days."""


@dataclass
class Known:
    """What the replay knows and the instance does not: the truth of each status, and what became of each post."""

    truths: dict[int, Truth] = field(default_factory=dict)
    authors: dict[int, int] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    recent: dict[Truth, list[tuple[datetime, int]]] = field(default_factory=lambda: {truth: [] for truth in TRUTHS})
    outcomes: dict[Truth, dict[str, int]] = field(default_factory=lambda: {truth: {} for truth in TRUTHS})

    def note(self, truth: Truth, outcome: str) -> None:
        """Count what became of a post at once: refused, held, limited or seen."""
        self.outcomes[truth][outcome] = self.outcomes[truth].get(outcome, 0) + 1


async def make_members(world: World, dice: random.Random, count: int) -> list[Viewer]:
    """Members of different age, some of them well known here."""
    members: list[Viewer] = []
    for number in range(count):
        name = f"member{number}"
        async with world.db.write() as tx:
            account_id = await create_member(
                tx, world.settings, username=name, email=f"{name}@example.org", password=PASSWORD
            )
        members.append(Viewer(account_id=account_id, username=name))
    ids = [one.account_id for one in members]
    veterans = set(dice.sample(ids, round(len(ids) * VETERANS)))
    ages = [dice.randint(60, 900) if one in veterans else dice.randint(0, 20) for one in ids]
    posts = [dice.randint(25, 900) if one in veterans else dice.randint(0, 6) for one in ids]
    await world.sql.execute(
        "UPDATE accounts a SET created_at = now() - make_interval(days => o.age) "
        "FROM unnest($1::bigint[], $2::int[]) AS o (id, age) WHERE a.id = o.id",
        ids,
        ages,
    )
    await world.sql.execute(
        "INSERT INTO account_stats (account_id, statuses_count) SELECT * FROM unnest($1::bigint[], $2::bigint[]) "
        "ON CONFLICT (account_id) DO UPDATE SET statuses_count = excluded.statuses_count",
        ids,
        posts,
    )
    return members


async def make_staff(world: World, name: str, role: str) -> Viewer:
    """One of the staff."""
    async with world.db.write() as tx:
        account_id = await create_member(
            tx, world.settings, username=name, email=f"{name}@example.org", password=PASSWORD, role=role
        )
    return Viewer(account_id=account_id, username=name, role=role)


async def make_post(world: World, known: Known, crowd: Crowd, author: Viewer, post: Post) -> None:
    """Somebody posts; what the instance makes of it is noted."""
    try:
        async with world.db.write() as tx:
            view = await post_status(tx, world.settings, author, NewStatus(text=post.text))
    except Rejection as refused:
        await keep_rejection(world.db, refused)
        known.note(post.truth, "refused")
        return
    except ParleyError:
        known.note(post.truth, "stopped author")  # who is suspended or may not post cannot go on
        return
    known.truths[view.id] = post.truth
    known.authors[view.id] = author.account_id
    known.texts[view.id] = post.text
    known.note(post.truth, view.state if view.state in ("held", "limited") else "seen")
    if view.state != "held":
        known.recent[post.truth].append((now(), view.id))
        crowd.see(view.id, post.truth)


LIST_VISIBLE = "SELECT id FROM statuses WHERE id = ANY($1::bigint[]) AND state IN ('published', 'limited')"


class Crowd:
    """Members who see what is there to be seen: they report it, and what stays up they repeat."""

    def __init__(
        self, world: World, known: Known, dice: random.Random, members: Sequence[Viewer], *, most: int
    ) -> None:
        self.world, self.known, self.dice, self.members, self.most = world, known, dice, members, most
        self.names = {one.account_id: one.username for one in members}
        self.filed = 0
        self.copies = 0
        self._due: list[tuple[datetime, int, int]] = []

    def see(self, status_id: int, truth: Truth) -> None:
        """A post is there for everybody: some will report it in the next hours."""
        mean, count = REPORTS_OF[truth], 0
        chance = math.exp(-mean)
        threshold = self.dice.random()
        sum_of = chance
        while sum_of < threshold and count < 200:
            count += 1
            chance *= mean / count
            sum_of += chance
        for place in range(count):
            at = now() + timedelta(hours=self.dice.expovariate(1 / REPORTED_WITHIN))
            heapq.heappush(self._due, (at, status_id, place))

    def pop_due(self, until: datetime) -> list[tuple[datetime, int]]:
        """Reports that will be sent before `until`."""
        found = []
        while self._due and self._due[0][0] < until:
            at, status_id, _ = heapq.heappop(self._due)
            found.append((at, status_id))
        return found

    async def report(self, status_id: int) -> None:
        """Somebody reports a post, when it is still there."""
        if self.filed >= self.most:
            return
        author, truth = self.known.authors[status_id], self.known.truths[status_id]
        reporter = self.dice.choice(self.members)
        if reporter.account_id == author:
            return
        rules = (CLAUSES[truth],)
        new = NewReport(account_id=author, status_ids=(status_id,), rule_ids=rules, comment="Look at this.")
        try:
            async with self.world.db.write() as tx:
                await file_report(tx, self.world.settings, reporter, new)
        except NotFound:
            return
        self.filed += 1

    async def repeat(self, hours: float, most: int) -> list[Post]:
        """Copies that others make, within the next `hours`, of what is bad and still there."""
        made: list[Post] = []
        for truth, rate in REPEATED.items():
            recent = [one for one in self.known.recent[truth] if now() - one[0] < timedelta(days=2)]
            self.known.recent[truth] = recent
            visible = {row[0] for row in await self.world.sql.fetch(LIST_VISIBLE, [one for _, one in recent])}
            for at, status_id in recent:
                age = (now() - at).total_seconds() / 3600
                if status_id in visible and self.dice.random() < 1 - math.exp(-rate * hours * math.exp(-age / FADES)):
                    when = now() + timedelta(hours=self.dice.random() * hours)
                    author = self.dice.randrange(len(self.members))
                    made.append(Post(when, author, self.known.texts[status_id], truth))
        self.dice.shuffle(made)
        made = sorted(made[: max(most - self.copies, 0)])
        self.copies += len(made)
        return made

    async def find_worst(self, count: int, named: set[int]) -> list[int]:
        """Posts that are there to be seen and that nobody named to us before, the worst first: for the host."""
        found: list[int] = []
        for truth in TRUTHS:
            ids = [one for _, one in self.known.recent[truth] if one not in named]
            visible = sorted(row[0] for row in await self.world.sql.fetch(LIST_VISIBLE, ids))
            self.dice.shuffle(visible)
            found += visible[: count - len(found)]
            if len(found) >= count:
                break
        return found


class Moderator:
    """One person at the desk: takes the most urgent case, reads it, decides; eight hours a day."""

    def __init__(
        self, world: World, known: Known, dice: random.Random, viewer: Viewer, *, errors: float, by_hand: bool
    ) -> None:
        self.world, self.known, self.dice, self.viewer, self.errors = world, known, dice, viewer, errors
        self.by_hand = by_hand
        """Whether every report is read and every copy decided on its own, as where nothing brings them together."""
        self.cases = 0
        self.decisions: list[tuple[datetime, DecisionView]] = []
        self.passed: set[int] = set()

    async def take_case(self) -> float:
        """Decide everything in the most urgent case; returns the seconds that it took, 0 when nothing waits."""
        async with self.world.db.write() as tx:
            case = await claim_next_case(tx, self.viewer, passed=tuple(self.passed))
        if case is None:
            return 0
        waiting = [one for one in case.subjects if one.settled_at is None]
        for clause, subjects in self._judge(waiting).items():
            await self._decide(case, clause, subjects)
        self.cases += 1
        if not waiting:
            self.passed.add(case.case.id)
        if self.by_hand:
            return sum(self.dice.uniform(10, 20) for _ in range(max(case.case.reports_count, len(waiting), 1)))
        return self.dice.uniform(10, 20) + 4 * max(len(waiting) - 1, 0)

    def _judge(self, subjects: Sequence[SubjectView]) -> Mapping[str | None, list[SubjectView]]:
        """What the moderator makes of each: the clause that it breaks, or None."""
        found: dict[str | None, list[SubjectView]] = {}
        for one in subjects:
            truth = self.known.truths.get(one.id, "innocent") if one.type == "status" else "innocent"
            broken = truth != "innocent"
            if self.dice.random() < self.errors:
                broken = not broken
            clause = (CLAUSES[truth] if truth != "innocent" else "3.1") if broken else None
            found.setdefault(clause, []).append(one)
        return found

    async def _decide(self, case: CaseView, clause: str | None, subjects: Sequence[SubjectView]) -> None:
        actions = tuple(NewAction(_action(clause, one), Subject(one.type, one.id, one.revision)) for one in subjects)
        new = NewDecision(
            account_id=case.case.account.id,
            actions=actions,
            case_id=case.case.id,
            clause=clause,
            facts=WORDS,
            reasons=WORDS if clause else "",
            language="en",
            source=case.case.source,
        )
        try:
            async with self.world.db.write() as tx:
                made = await decide(tx, self.world.settings, self.viewer, new)
        except Conflict:
            return  # its author edited or deleted it meanwhile: it comes back with the case
        assert isinstance(made, DecisionView)
        self.decisions.append((now(), made))
        if clause in ("1.1", "2.1") and not self.by_hand:
            await self._act_on_copies(case, made)

    async def _act_on_copies(self, case: CaseView, made: DecisionView) -> None:
        """One key: the same for all that say the same."""
        statuses = [one.subject.id for one in made.actions if one.subject.type == "status"]
        if not statuses:
            return
        async with self.world.db.read() as tx:
            like = await list_similar(tx, self.viewer, case.case.id, statuses[0], limit=50)
        copies = [Subject("status", one.id) for one in like if one.state in ("published", "limited")]
        if copies:
            async with self.world.db.write() as tx:
                also = await decide_copies(tx, self.world.settings, self.viewer, made.id, copies)
            assert isinstance(also, list)
            self.decisions += [(now(), one) for one in also]


def _action(clause: str | None, one: SubjectView) -> ActionKind:
    if clause is not None:
        return "remove" if one.type == "status" else "warn"
    return "publish" if one.state_now in ("held", "hidden_interim") else "no_action"


class Appellants:
    """Authors who want another look, and the owner who gives it, an hour each evening."""

    def __init__(self, world: World, known: Known, dice: random.Random, owner: Viewer) -> None:
        self.world, self.known, self.dice, self.owner = world, known, dice, owner
        self.waiting: list[tuple[datetime, DecisionView]] = []
        self._decisions: dict[int, DecisionView] = {}
        self.filed = 0
        self.overturned = 0
        self.reviewed = 0

    def hear(self, at: datetime, made: DecisionView) -> None:
        """An author hears of a decision. Who is innocent appeals more often."""
        if made.clause is None:
            return
        if self.dice.random() < (0.5 if self._is_wrong(made) else 0.04):
            self.waiting.append((at + timedelta(hours=self.dice.uniform(0.5, 24)), made))
            self.waiting.sort(key=lambda item: item[0])

    def _is_wrong(self, made: DecisionView) -> bool:
        return any(
            self.known.truths.get(one.subject.id) == "innocent" for one in made.actions if one.subject.type == "status"
        )

    async def file_due(self) -> None:
        """Appeals whose hour has come."""
        while self.waiting and self.waiting[0][0] <= now():
            _, made = self.waiting.pop(0)
            who = Viewer(account_id=made.account.id, username=made.account.username)
            try:
                async with self.world.db.write() as tx:
                    await file_appeal(
                        tx, self.world.settings, who, made.id, "I did not break this rule.", role="author"
                    )
            except ParleyError:
                continue
            self.filed += 1
            self._decisions[made.id] = made

    async def review(self) -> bool:
        """The owner answers the appeal that waits longest; False when none does."""
        async with self.world.db.read() as tx:
            mine = [one for one in await list_appeals(tx, self.owner) if not one.why_not]
        if not mine:
            return False
        appeal = mine[0]
        made = self._decisions.get(appeal.decision_id)
        outcome: Outcome = "overturned" if made is not None and self._is_wrong(made) else "upheld"
        async with self.world.db.write() as tx:
            await claim_appeal(tx, self.owner, appeal.id)
            await decide_appeal(tx, self.world.settings, self.owner, appeal.id, outcome, answer=WORDS)
        self.reviewed += 1
        self.overturned += outcome == "overturned"
        return True
