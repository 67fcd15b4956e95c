"""The examples of the guide to writing a policy work as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from parley.screening import check_policy, load_policy, shipped_policy

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "moderators" / "policy.md"
EXAMPLES = re.findall(r"```yaml\n# ([a-z.]+)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_guide_has_an_example_of_every_kind() -> None:
    assert {file for file, _ in EXAMPLES} == {"clauses.yaml", "words.yaml", "rules.yaml"}
    assert len(EXAMPLES) == GUIDE.read_text(encoding="utf-8").count("```yaml")


@pytest.mark.parametrize(("file", "example"), EXAMPLES, ids=[re.search(r"id: (\S+)", text)[1] for _, text in EXAMPLES])  # type: ignore[index]
def test_an_example_can_be_added_to_the_policy_that_ships(file: str, example: str, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(shipped_policy(), folder)
    path = folder / file
    path.write_text(f"{path.read_text(encoding='utf-8').rstrip()}\n\n{example}", encoding="utf-8")
    assert check_policy(folder) == []
    assert load_policy(folder).sha256 != load_policy(shipped_policy()).sha256


def test_the_guide_names_every_file_of_a_policy_and_every_outcome() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for name in [path.name for path in shipped_policy().glob("*.yaml") if path.name.count(".") == 1]:
        assert f"`{name}`" in text, name
    for word in (
        "allow",
        "allow_flag",
        "limit",
        "hold",
        "reject",
        "quarantine",
        "DRAFT",
        "BACKGROUND",
        "LIVE",
        "EXPIRED",
    ):
        assert word in text, word
