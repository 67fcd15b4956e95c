"""`parley sweep` and `parley policy backtest` as an operator runs them: in processes that may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from parley import screening
from tests.conftest import World
from tests.safety.sweeping import HIDDEN, cheese_history, post, staff, write_policy
from tests.safety.test_sweeps_of_files import FILE, MIRRORED, clause_of, share
from tests.statuses.cast import count, known, sees

MANY = 120
pytestmark = pytest.mark.timeout(420)


class Shell:
    """An operator's shell on the machine of the world."""

    def __init__(self, world: World, dsn: str, policy: Path) -> None:
        self.environment = {
            **os.environ,
            "PARLEY_DATABASE_URL": dsn,
            "PARLEY_DATA_DIR": str(world.settings.path()),
            "PARLEY_POLICY_DIR": str(policy),
        }

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley.cli", *words),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, *words: str) -> tuple[int, str, str]:
        process = await self.start(*words)
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def json(self, *words: str) -> dict[str, Any]:
        code, out, err = await self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)


async def test_a_sweep_that_is_killed_goes_on_where_it_was_and_does_nothing_twice(
    world: World, dsn: str, tmp_path: Path
) -> None:
    await known(world, "alice")
    await staff(world), await staff(world, "ada", "admin")
    for number in range(MANY):
        await post(world, "alice", status=f"{HIDDEN} {number}")
    await world.run_jobs()
    shell = Shell(world, dsn, write_policy(tmp_path / "stricter"))
    planned = await shell.json("sweep", "plan", "--by", "mod_mia", "--reason", "cheese")
    sweep_id = planned["id"]
    counted = await shell.json("sweep", "count", sweep_id, "--by", "mod_mia", "--processes", "2")
    assert counted["effects"] == {"hide": MANY}
    code, _, err = await shell.run("sweep", "run", sweep_id)
    assert (code, "approved" in err) == (1, True)
    approved = await shell.json("sweep", "approve", sweep_id, "--by", "ada")
    assert approved["approved"]

    changes = "SELECT count(*) FROM sweep_changes WHERE sweep_id = $1"
    process = await shell.start("sweep", "run", sweep_id, "--processes", "1")
    while process.returncode is None and not await count(world, changes, int(sweep_id)):
        await asyncio.sleep(0.005)
    assert process.returncode is None, "it was to be killed while it runs"
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    status = await shell.json("sweep", "status", sweep_id)
    assert status["state"] == "running"
    assert 0 < status["acted"] < MANY
    assert status["acted"] == await count(world, changes, int(sweep_id))

    ended = await shell.json("sweep", "run", sweep_id)
    assert (ended["state"], ended["acted"], ended["changes"]) == ("completed", MANY, {"hidden": MANY})
    assert await count(world, "SELECT count(*) FROM statuses WHERE state = 'hidden_interim'") == MANY
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'StatusHeld'") == MANY
    assert await count(world, "SELECT count(*) FROM reports WHERE source = 'automated'") == MANY

    undone = await shell.json("sweep", "undo", sweep_id, "--by", "ada")
    assert (undone["restored"], undone["kept"]) == (MANY, 0)
    assert await count(world, "SELECT count(*) FROM statuses WHERE state = 'published'") == MANY
    code, out, _ = await shell.run("sweep", "list")
    assert (code, "completed" in out, f"{MANY} restored" in out) == (0, True, True)
    code, _, err = await shell.run("sweep", "undo", sweep_id, "--by", "alice")
    assert (code, "staff" in err) == (1, True)


async def test_a_backtest_says_what_a_draft_would_have_done_and_changes_nothing(
    world: World, dsn: str, tmp_path: Path
) -> None:
    from parley import screening
    from parley.screening import Outcome
    from parley.social.verdicts.labels import record_label

    posts = await cheese_history(world)
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        subject = ("status", int(posts["hidden"]["id"]), 1)
        await record_label(tx, subject, Outcome.HOLD, clause="1.1", source="decision", by=mia.account_id)
        await record_label(tx, ("status", int(posts["fine"]["id"]), 1), Outcome.ALLOW, clause=None, source="decision")
    before = await count(world, "SELECT count(*) FROM screening_results")
    shell = Shell(world, dsn, screening.shipped_policy())
    draft = write_policy(tmp_path / "draft", state="DRAFT")
    nothing = await shell.json("policy", "backtest", str(draft), "--by", "mod_mia")
    assert nothing["result"]["changes"] == {}
    found = await shell.json("policy", "backtest", str(write_policy(tmp_path / "live")), "--processes", "2")
    result = found["result"]
    assert result["changes"] == {"allow > hold": 3, "allow > limit": 1, "allow > allow_flag": 1}
    assert (result["stopped"], result["accounts"]) == (3, 2)
    assert sum(one["count"] for one in found["to_whom"]) == 5
    assert len({one["username"] for one in found["to_whom"]} - {""}) == 2, "to whom, by name"
    assert result["agreement"]["decisions"] == result["agreement"]["agreed"] == 2
    assert result["agreement_now"]["agreed"] == 1
    low, high = result["agreement"]["intervals"]["caught"]
    assert low < 0.3
    assert high == 1.0
    assert result["rules"]["cheese-limit"]["fired"] == 1
    assert {sample["after"] for sample in result["samples"]} == {"hold", "limit", "allow_flag"}
    assert all(not sample["text"] for sample in result["samples"] if sample["subject_type"] == "message")
    one = await shell.json("policy", "backtest", str(draft), "--rule", "cheese-limit")
    assert one["result"]["judged"] == result["judged"]
    assert await count(world, "SELECT count(*) FROM screening_results") == before
    assert await count(world, "SELECT count(*) FROM backtests") == 3
    code, out, err = await shell.run("policy", "backtest", str(tmp_path / "live"))
    assert code == 0, err
    assert "newly stopped: 3" in out
    code, _, err = await shell.run("policy", "thresholds", "--reviews-per-day", "50")
    assert (code, "History is too short" in err) == (1, True)


async def test_a_backtest_of_a_proposed_version_is_what_its_activation_refers_to(
    world: World, dsn: str, tmp_path: Path
) -> None:
    from parley import screening

    await cheese_history(world)
    await staff(world), await staff(world, "ada", "admin")
    shell = Shell(world, dsn, screening.shipped_policy())
    folder = write_policy(tmp_path / "draft")
    proposed = await shell.json("policy", "propose", str(folder), "--by", "mod_mia")
    code, _, err = await shell.run("policy", "activate", proposed["sha256"], "--by", "ada")
    assert (code, "backtest" in err) == (1, True)
    found = await shell.json("policy", "backtest", proposed["sha256"][:12], "--by", "mod_mia")
    assert found["policy_sha256"] == proposed["sha256"]
    kept = "SELECT count(*) FROM policy_backtests WHERE sha256 = $1 AND backtest_id = $2 AND stopped = 3"
    assert await count(world, kept, proposed["sha256"], int(found["id"])) == 1


async def test_history_goes_to_files_and_its_verdicts_come_back(world: World, dsn: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra `cluster` is not installed: pip install 'parley[cluster]'")
    await cheese_history(world)
    await staff(world), await staff(world, "ada", "admin")
    shell = Shell(world, dsn, write_policy(tmp_path / "stricter"))
    export, verdicts = str(tmp_path / "export"), str(tmp_path / "verdicts")
    sweep_id = (await shell.json("sweep", "plan", "--by", "mod_mia"))["id"]
    await shell.json("sweep", "count", sweep_id, "--by", "mod_mia")
    await shell.json("sweep", "approve", sweep_id, "--by", "ada")
    written = await shell.json("sweep", "export", "--to", export)
    judged = await shell.json("sweep", "judge", export, "--to", verdicts)
    assert written["rows"] == judged["rows"]
    assert written["ruleset"] == judged["ruleset"]
    assert (await shell.json("sweep", "apply", verdicts, "--sweep", sweep_id))["acted"] == 5
    ended = await shell.json("sweep", "run", sweep_id)
    assert (ended["state"], ended["acted"]) == ("completed", 5)


async def test_a_sweep_over_files_is_counted_approved_run_and_undone_at_the_command_line(
    world: World, dsn: str, tmp_path: Path
) -> None:
    await known(world, "alice", "bob")
    await staff(world), await staff(world, "ada", "admin")
    shell = Shell(world, dsn, screening.shipped_policy())
    shared = await share(world, "alice", MIRRORED)
    (tmp_path / "known.jpg").write_bytes(FILE)
    await shell.json("bank", "hashes", "make", "bad", "--tier", "reject", "--clause", clause_of(1))
    await shell.json("bank", "hashes", "add", "bad", str(tmp_path / "known.jpg"))
    await world.run_jobs()
    (view,) = [one for one in (await shell.json("sweep", "list", "--open"))["sweeps"] if one["scope"] == "files"]
    code, _, said = await shell.run("sweep", "run", view["id"])
    assert code == 1
    assert "Nobody has approved" in said
    counted = await shell.json("sweep", "count", view["id"], "--by", "mod_mia")
    assert counted["effects"] == {"hide": 2}
    await shell.json("sweep", "approve", view["id"], "--by", "ada")
    done = await shell.json("sweep", "run", view["id"])
    assert (done["state"], done["changes"]) == ("completed", {"file_hidden": 1, "hidden": 1})
    assert not await sees(world, "bob", shared["id"])
    code, out, _ = await shell.run("sweep", "status", view["id"])
    assert "carry a file which a bank of hashes knows" in out
    undone = await shell.json("sweep", "undo", view["id"], "--by", "ada")
    assert (undone["restored"], undone["kept"]) == (2, 0)
    assert await sees(world, "bob", shared["id"])
