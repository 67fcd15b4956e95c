"""What a rule's labels do to a post."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from parley import screening
from tests.conftest import World

RULE = """
  - id: heather-is-sensitive
    state: LIVE
    title: Heather is shown behind a warning
    when: '"heather" in words.flag.entries'
    outcome: allow
    clause: "4.1"
    because: Heather was found
    labels: [sensitive]
    tests:
      - {name: nothing, text: hello, expect: allow}
"""
ENTRY = """
  - id: heather
    tier: flag
    clause: "4.1"
    title: Heather
    match: [heather]
    hits: [the heather blooms]
    misses: [the weather]
"""


@pytest.fixture
def heather(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(screening.shipped_policy(), folder)
    for name, more in (("rules.yaml", RULE), ("words.yaml", ENTRY)):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(more)
    screening.use_policy(folder)


async def test_a_post_that_a_rule_calls_sensitive_is_shown_behind_a_warning(world: World, heather: None) -> None:
    assert (await world.post("alice", "The heather blooms"))["sensitive"] is True
    plain = await world.post("alice", "The gorse blooms")
    assert plain["sensitive"] is False
    alice = await world.client("alice")
    edited = await alice.put(f"/api/v1/statuses/{plain['id']}", json={"status": "The heather blooms too"})
    assert edited.json()["sensitive"] is True
    back = await alice.put(f"/api/v1/statuses/{plain['id']}", json={"status": "The gorse again", "sensitive": False})
    assert back.json()["sensitive"] is False
