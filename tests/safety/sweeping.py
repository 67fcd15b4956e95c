"""A policy that changes, for the tests that judge history: what was fine yesterday is held or flagged today."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from parley import screening
from parley.safety.judging import OwnThread
from parley.safety.sweeps.actions import approve_sweep, count_sweep, plan_sweep
from parley.safety.sweeps.running import run_sweep
from parley.safety.sweeps.store import SweepRow
from parley.safety.sweeps.views import NewSweep
from parley.screening import Ruleset
from parley.social.policies.views import Staff
from tests.conftest import World
from tests.statuses.cast import ask, known

HIDDEN, LIMITED, FLAGGED = "gorgonzola", "camembert", "stilton"
"""Words that the stricter policy holds, limits and flags."""


def write_policy(folder: Path, *, allow: str = "", state: str = "LIVE") -> Path:
    """The shipped policy with a bank entry and rules about cheese. Words in `allow` are held no more."""
    shutil.copytree(screening.shipped_policy(), folder)
    rules = yaml.safe_load((folder / "rules.yaml").read_text())
    words = yaml.safe_load((folder / "words.yaml").read_text())
    clause = yaml.safe_load((folder / "clauses.yaml").read_text())["clauses"][-1]["id"]
    for name, word, tier in (("cheese-hold", HIDDEN, "hold"), ("cheese-flag", FLAGGED, "flag"),
                             ("cheese-limit", LIMITED, "flag")):  # fmt: skip
        words["words"].append(
            {"id": name, "tier": tier, "clause": clause, "title": "Cheese", "match": [word], "hits": [word],
             "misses": ["bread"], "state": state}
        )  # fmt: skip
    rules["rules"].append(
        {"id": "cheese-limit", "state": state, "title": "Soft cheese", "outcome": "limit", "clause": clause,
         "when": "'cheese-limit' in words.flag.entries", "because": "Soft cheese.",
         "tests": [{"name": "soft cheese", "text": LIMITED, "expect": "limit"}]}
    )  # fmt: skip
    words["words"] = [entry for entry in words["words"] if allow not in entry["match"]] if allow else words["words"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True))
    (folder / "words.yaml").write_text(yaml.safe_dump(words, sort_keys=False, allow_unicode=True))
    return folder


def use_stricter(tmp_path: Path, **options: Any) -> Ruleset:
    """Make the stricter policy live in this process."""
    return screening.use_policy(write_policy(tmp_path / "stricter", **options))


async def staff(world: World, name: str = "mod_mia", role: str = "moderator") -> Staff:
    return Staff(await world.account(name, role=role), name, role)


async def post(world: World, name: str, **body: Any) -> dict[str, Any]:
    answer = await ask(world, name, "POST", "/statuses", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def plan_and_approve(world: World, ruleset: Ruleset, **options: Any) -> int:
    """A sweep that may run."""
    db, mia, ada = world.instance.db, await staff(world), await staff(world, "ada", "admin")
    async with db.write() as tx:
        sweep_id = await plan_sweep(tx, mia, ruleset, NewSweep(reason="test", **options))
    await count_sweep(db, mia, sweep_id, OwnThread(ruleset), ruleset)
    async with db.write() as tx:
        await approve_sweep(tx, ada, world.settings, sweep_id)
    return sweep_id


async def sweep(world: World, ruleset: Ruleset, **options: Any) -> SweepRow:
    """Plan, count, approve and run."""
    sweep_id = await plan_and_approve(world, ruleset, **options)
    return await run_sweep(world.instance.db, world.settings, sweep_id, OwnThread(ruleset), ruleset)


async def cheese_history(world: World) -> dict[str, dict[str, Any]]:
    """Posts of alice and bob that the stricter policy finds fault with, and some that it does not."""
    await known(world, "alice", "bob")
    posts = {
        "fine": await post(world, "alice", status="bread and butter"),
        "hidden": await post(world, "alice", status=f"I like {HIDDEN} #cheese"),
        "limited": await post(world, "bob", status=f"{LIMITED} with grapes"),
        "flagged": await post(world, "bob", status=f"a pound of {FLAGGED}"),
        "message": await post(world, "alice", status=f"@bob {HIDDEN}?", visibility="direct"),
        "poll": await post(world, "alice", status="which?", poll={"options": ["tea", HIDDEN], "expires_in": 600}),
    }
    await world.run_jobs()
    return posts
