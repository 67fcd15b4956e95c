"""A rule that acts too often is softened, and what is unlike a rule's own past raises an alarm."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from parley import screening
from parley.kit.clock import now, time_travel
from parley.screening import Content, Facts, Outcome, judge
from parley.social.policies import caps
from parley.social.policies.live import load_live
from parley.social.policies.reads import list_alarms, list_rules
from parley.social.policies.watching import is_far_above, is_far_below, watch_rules
from tests.conftest import World
from tests.policies.conftest import SMALL

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBER = Facts(now=NOON, account_age_days=10, published_statuses=10)


def verdict_of(text: str, *capped: str) -> screening.Verdict:
    ruleset = screening.load_policy(SMALL)
    facts = msgspec.structs.replace(MEMBER, capped_rules=capped)
    return judge(Content(kind="status", texts={"text": text}), facts, ruleset=ruleset)


def test_a_capped_rule_does_what_the_policy_says_and_says_so() -> None:
    assert verdict_of("cheap pills").outcome is Outcome.HOLD
    softened = verdict_of("cheap pills", "words-hold", "another")
    assert softened.outcome is Outcome.ALLOW_FLAG
    assert softened.rules[0].capped
    assert "hold became allow_flag: the rule acted 5 times within the hour" in softened.because[0]


def test_a_threat_to_life_is_never_softened_below_a_hold() -> None:
    assert verdict_of("going to kill you").outcome is Outcome.REJECT
    assert verdict_of("going to kill you", "words-reject").outcome is Outcome.HOLD


async def pills(world: World, count: int) -> list[str]:
    states = []
    for number in range(count):
        posted = await world.post("bob", f"cheap pills, offer {number}")
        states.append(posted.get("moderation", {}).get("state", "published"))
    return states


async def test_a_process_softens_a_rule_by_itself_as_soon_as_it_reaches_its_cap(ruled: World) -> None:
    assert await pills(ruled, 7) == ["held"] * 5 + ["published"] * 2
    with time_travel(timedelta(hours=1)):
        assert await pills(ruled, 1) == ["held"], "the next hour begins anew"


async def test_what_several_processes_did_together_reaches_the_cap_too(ruled: World) -> None:
    await ruled.account("mod_mia", role="moderator")
    await pills(ruled, 3)
    caps.forget()  # as if another process had judged these
    await pills(ruled, 3)
    caps.forget()
    with time_travel(timedelta(seconds=10)):
        await watch_rules(ruled.instance, {})
    await load_live(ruled.instance.db, ruled.settings)
    assert await pills(ruled, 1) == ["published"]
    await ruled.run_jobs()
    async with ruled.instance.db.read() as tx:
        (alarm,) = await list_alarms(tx)
        assert (alarm.rule, alarm.kind, alarm.count, alarm.expected) == ("words-hold", "cap", 6, 5)
        held = next(rule for rule in await list_rules(tx) if rule.id == "words-hold")
        assert (held.capped, held.acted, held.this_hour, held.fired) == (True, 6, 6, 6)
    mails = [path.read_text() for path in (ruled.settings.data_dir / "mail").glob("*")]
    assert [mail for mail in mails if "words-hold" in mail and "needs a look" in mail], mails


async def test_results_are_counted_once(ruled: World) -> None:
    await pills(ruled, 2)
    for seconds in (10, 20, 30):
        with time_travel(timedelta(seconds=seconds)):
            await watch_rules(ruled.instance, {})
    async with ruled.instance.db.read() as tx:
        assert [rule.acted for rule in await list_rules(tx) if rule.id == "words-hold"] == [2]


async def test_a_background_rule_is_counted_but_never_acts(ruled: World) -> None:
    names = [f"friend{number}" for number in range(21)]
    for name in names:
        await ruled.account(name)
    await ruled.post("bob", " ".join(f"@{name}" for name in names))
    with time_travel(timedelta(seconds=10)):
        await watch_rules(ruled.instance, {})
    async with ruled.instance.db.read() as tx:
        rule = next(rule for rule in await list_rules(tx) if rule.id == "many-mentions")
        assert (rule.state, rule.fired, rule.acted) == ("BACKGROUND", 1, 0)


async def history(world: World, rule: str, counts: list[int]) -> None:
    """`counts` by the hour, the newest last: this hour."""
    hour = caps.hour_of(now())
    async with world.instance.db.write() as tx:
        for back, count in enumerate(reversed(counts)):
            await tx.execute(
                "INSERT INTO rule_hours (rule, hour, fired) VALUES ($1, $2, $3)",
                rule,
                hour - timedelta(hours=back),
                count,
            )


@pytest.mark.parametrize(
    ("counts", "kinds"),
    [
        ([5, 6, 4, 5] * 10 + [60], ["many"]),
        ([5, 6, 4, 5] * 10 + [9], []),
        ([100, 104, 97, 99] * 10 + [0, 0], ["few"]),
        ([0, 0, 0, 1] * 10 + [9], []),
        ([5] * 5 + [500], []),
    ],
)
async def test_an_hour_unlike_all_others_raises_one_alarm(counts: list[int], kinds: list[str], ruled: World) -> None:
    await history(ruled, "words-hold", counts)
    for _ in range(2):
        await watch_rules(ruled.instance, {})
    async with ruled.instance.db.read() as tx:
        assert [alarm.kind for alarm in await list_alarms(tx)] == kinds
        raised = await tx.fetchval("SELECT count(*) FROM events WHERE type = 'RuleAlarmRaised'")
        assert raised == len(kinds)
    shown = (await ruled.anonymous.get("/metrics")).text
    for kind in kinds:
        assert f'parley_rule_alarms{{kind="{kind}",rule="words-hold"}} 1.0' in shown
    assert shown.count("parley_rule_alarms{") == len(kinds)


def test_chance_alone_hardly_ever_raises_an_alarm() -> None:
    random.seed(1)

    def poisson(mean: float) -> int:
        return sum(random.random() < mean / 1000 for _ in range(1000))

    alarms: dict[Any, int] = {}
    for mean in (0.2, 3, 30):
        counts = [poisson(mean) for _ in range(500)]
        for at in range(48, 500):
            past = counts[at - 48 : at]
            alarms[mean] = alarms.get(mean, 0) + is_far_above(counts[at], past) + is_far_below(counts[at], past)
    assert sum(alarms.values()) <= 1, alarms
