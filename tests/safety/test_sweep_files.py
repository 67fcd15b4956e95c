"""History as files: processes and Ray give it the same verdicts, which take effect as a sweep's own do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parley.kit.errors import Invalid
from parley.safety.judging import OwnThread
from parley.safety.sweeps import parquet
from parley.safety.sweeps.cluster import judge_export
from parley.safety.sweeps.exporting import apply_verdicts, export_history
from parley.safety.sweeps.parquet import Manifest, read_answers, read_manifest
from parley.safety.sweeps.running import run_sweep
from parley.screening import Ruleset
from parley.screening.sources import policy_files
from parley.social.policies.sources import RulesetSource
from tests.conftest import World
from tests.safety.sweeping import HIDDEN, cheese_history, plan_and_approve, post, use_stricter
from tests.safety.test_sweeps import state_of, store_changes

pytest.importorskip("pyarrow", reason="the extra `cluster` is not installed: pip install 'parley[cluster]'")
pytestmark = pytest.mark.timeout(420)


async def exported(world: World, tmp_path: Path) -> tuple[Path, Ruleset, dict[str, Any]]:
    posts = await cheese_history(world)
    ruleset = use_stricter(tmp_path)
    files = policy_files(tmp_path / "stricter")
    assert isinstance(files, dict)
    folder = tmp_path / "export"
    manifest = await export_history(world.instance.db, folder, ruleset, RulesetSource(files), rows_in_part=3)
    assert len(manifest.parts) > 2
    return folder, ruleset, posts


def verdicts_in(folder: Path) -> list[tuple[Any, ...]]:
    """Everything in a folder of verdicts but how long they took."""
    found = []
    for part in read_manifest(folder, "verdicts").parts:
        for answers, was in read_answers(folder / part.name):
            found += [(answer, before) for answer, before in zip(answers, was, strict=True)]
    return found


async def test_ray_and_processes_give_the_same_verdicts(world: World, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `cluster` is not installed: pip install 'parley[cluster]'")
    folder, ruleset, _ = await exported(world, tmp_path)
    local = judge_export(folder, tmp_path / "local", on="local", processes=2)
    by_ray = judge_export(folder, tmp_path / "ray", on="ray", processes=2)
    assert local.ruleset == by_ray.ruleset == ruleset.sha256
    here, there = verdicts_in(tmp_path / "local"), verdicts_in(tmp_path / "ray")
    assert here == there
    assert {answer.outcome for answer, _ in here} >= {"allow", "hold", "limit", "allow_flag"}


async def test_verdicts_given_elsewhere_take_effect_as_those_of_a_sweep(world: World, tmp_path: Path) -> None:
    folder, ruleset, posts = await exported(world, tmp_path)
    verdicts = tmp_path / "verdicts"
    judge_export(folder, verdicts, on="local")
    late = await post(world, "bob", status="bread, written after the export")
    sweep_id = await plan_and_approve(world, ruleset)
    db = world.instance.db
    row = await apply_verdicts(db, world.settings, sweep_id, verdicts, ruleset)
    assert (row.state, row.acted) == ("running", 5)
    assert await state_of(world, posts["hidden"]) == "hidden_interim"
    again = await apply_verdicts(db, world.settings, sweep_id, verdicts, ruleset)
    assert (again.acted, again.cursor) == (5, row.cursor)
    ended = await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)
    assert (ended.state, ended.acted) == ("completed", 5)
    assert len(await store_changes(world, sweep_id)) == 5
    assert await state_of(world, late) == "published"


async def test_a_cut_off_judging_goes_on_and_damage_is_found(world: World, tmp_path: Path) -> None:
    folder, ruleset, _ = await exported(world, tmp_path)
    verdicts = tmp_path / "verdicts"
    whole = judge_export(folder, verdicts, on="local")
    (verdicts / parquet.MANIFEST).unlink()
    (verdicts / whole.parts[1].name).unlink()
    assert [part.rows for part in judge_export(folder, verdicts, on="local").parts] == [
        part.rows for part in whole.parts
    ]
    sweep_id = await plan_and_approve(world, ruleset)
    damaged = verdicts / whole.parts[0].name
    damaged.write_bytes(damaged.read_bytes()[:-8] + b"12345678")
    with pytest.raises(Invalid, match="damaged"):
        await apply_verdicts(world.instance.db, world.settings, sweep_id, verdicts, ruleset)
    (folder / whole.parts[0].name).write_bytes(b"nothing")
    with pytest.raises(Invalid, match="damaged"):
        judge_export(folder, tmp_path / "other", on="local")


async def test_an_export_is_not_mixed_with_another_and_leads_nowhere_else(world: World, tmp_path: Path) -> None:
    folder, ruleset, _ = await exported(world, tmp_path)
    with pytest.raises(Invalid, match="not empty"):
        await export_history(world.instance.db, folder, ruleset, RulesetSource({}))
    with pytest.raises(Invalid, match="holds history"):
        read_manifest(folder, "verdicts")
    manifest = read_manifest(folder, "history")
    outside = Manifest(
        kind="history",
        ruleset=manifest.ruleset,
        after_id=0,
        until_id=0,
        parts=(parquet.Part("../outside.parquet", 0, 0, 0, ""),),
    )
    parquet.write_manifest(folder, outside)
    with pytest.raises(Invalid, match="its own folder"):
        judge_export(folder, tmp_path / "other", on="local")
    assert HIDDEN in (folder / parquet.SOURCE).read_bytes().decode(errors="replace")
