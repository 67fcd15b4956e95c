"""`parley audit`, `parley evidence` and `parley legal`, as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import World
from tests.safety.evidence.test_retention import staff
from tests.safety.log.scenes import make_log
from tests.safety.test_sweep_command import Shell

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def shell(world: World, dsn: str) -> Shell:
    return Shell(world, dsn, Path("policy/default").resolve())


@pytest.mark.usefixtures("tampered")
async def test_the_log_is_checked_signed_and_handed_out(world: World, shell: Shell, tmp_path: Path) -> None:
    await make_log(world)
    made = await shell.json("audit", "checkpoint")
    assert json.loads(made["signed"])["seq"] == made["seq"] > 0
    report = await shell.json("audit", "verify", "--files")
    assert report["holds"] is True
    assert report["entries"] >= made["seq"]
    code, out, err = await shell.run("audit", "verify")
    assert code == 0, err
    assert "each unchanged and in its place" in out
    export = tmp_path / "log.jsonl.gz"
    await shell.json("audit", "export", "--to", str(export))
    assert (tmp_path / "parley_verify.py").exists()
    checked = await shell.json("evidence", "verify", str(export))
    assert checked["holds"] is True
    async with world.instance.db.write() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute("UPDATE reports SET category = 'legal'")
    code, out, err = await shell.run("audit", "verify")
    assert code == 1
    assert "it is not what the log makes it: category" in out
    assert "does not hold" in err


async def test_holds_requests_and_packages(world: World, shell: Shell, tmp_path: Path) -> None:
    await world.post("spam_sam", "a threat")
    await staff(world)
    by = ("--by", "mod_mia")
    request = await shell.json("legal", "request", *by, "--kind", "preservation", "--authority", "State police")
    hold = await shell.json(
        *("legal", "hold", *by, "--account", "spam_sam", "--reason", "they asked", "--request", request["id"])
    )
    assert (hold["state"], hold["subjects"]) == ("active", [{"type": "account", "id": str(world.ids["spam_sam"])}])
    listed = await shell.json("legal", "list", *by)
    assert [one["id"] for one in listed["holds"]] == [hold["id"]]
    package = tmp_path / "evidence.zip"
    packed = await shell.json("evidence", "pack", *by, "--account", "@spam_sam", "--to", str(package))
    assert packed["snapshots"] >= 2
    assert (await shell.json("evidence", "verify", str(package)))["holds"] is True
    code, _, err = await shell.run("evidence", "pack", *by, "--request", request["id"], "--to", str(package))
    assert code == 1
    assert "no approved disclosure" in err
    released = await shell.json("legal", "release", hold["id"], *by, "--why", "it is over")
    assert released["state"] == "released"
    code, _, err = await shell.run("legal", "hold", "--by", "spam_sam", "--account", "spam_sam", "--reason", "no")
    assert code == 1
    assert "not a member of the staff" in err
