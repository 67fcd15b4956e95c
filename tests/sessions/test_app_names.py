"""Names of apps stand below posts for everybody to read: policy counts for them too."""

from __future__ import annotations

import pytest

from tests.conftest import World

FORM = {"client_name": "An app", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob"}


@pytest.mark.parametrize("fields", [{"client_name": "kill yourself"}, {"website": "https://grabify.link/x"}])
async def test_a_name_that_could_not_stand_on_a_profile_is_refused(world: World, fields: dict[str, str]) -> None:
    answer = await world.anonymous.post("/api/v1/apps", json={**FORM, **fields})
    assert answer.status_code == 422 and "rules" in answer.json()["error"]


async def test_ordinary_apps_are_not_held_up(world: World) -> None:
    for name, website in (("Tusky", "https://tusky.app"), ("Elk", "https://elk.zone"), ("toot - a CLI", None)):
        answer = await world.anonymous.post("/api/v1/apps", json={**FORM, "client_name": name, "website": website})
        assert answer.status_code == 200, answer.text
