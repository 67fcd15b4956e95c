"""What the tests of policies share: staff, and a world with a small policy of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from parley.kit.settings import Settings
from parley.screening import policy as policy_module
from parley.screening.sources import policy_files
from parley.social.policies import caps
from parley.social.policies.live import follow_policy
from parley.social.policies.views import Staff
from tests.conftest import World


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = policy_module._live
    caps.forget()
    yield
    caps.forget()
    policy_module._live = before


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A policy of its own, so that what ships may change."""
    return msgspec.structs.replace(settings, policy_dir=str(SMALL))


@pytest.fixture
async def ruled(world: World) -> World:
    """A world that follows its policy as a real process does."""
    await follow_policy(world.instance)
    return world


async def staff(world: World, name: str, role: str = "admin") -> Staff:
    return Staff(await world.account(name, role=role), name, role)


SMALL = Path(__file__).parent / "small"


def small(**changes: tuple[str, str]) -> dict[str, bytes]:
    """The files of the tests' policy, with a text replaced in some of them."""
    files = policy_files(SMALL)
    assert isinstance(files, dict)
    for stem, (before, after) in changes.items():
        text = files[f"{stem}.yaml"].decode()
        assert before in text, before
        files[f"{stem}.yaml"] = text.replace(before, after, 1).encode()
    return files


STRICTER = {
    "rules": (
        "rules:\n",
        """rules:
  - id: four-tags
    state: LIVE
    title: Posts with just four hashtags are held
    when: content.tags == 4
    outcome: hold
    clause: "7.3"
    because: It has four hashtags
    tests:
      - {name: four, text: "a day out", tags: [a, b, c, d], expect: hold}

""",
    )
}
FOUR_TAGS = "a day out #sun #sea #sand #salt"
"""What the stricter policy holds, and the small one lets through."""
