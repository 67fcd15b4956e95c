"""Files that came into a case stay to be seen by those who decide it, whatever becomes of the originals."""

from __future__ import annotations

import io
import re

from PIL import Image

from tests.conftest import PASSWORD, World
from tests.media.helpers import body, processed
from tests.web.forms import sign_in


def photo() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((320, 240), 80).convert("RGB").save(file, "JPEG")
    return file.getvalue()


async def test_a_deleted_picture_is_seen_by_those_who_decide_and_by_nobody_else(world: World) -> None:
    media = await processed(world, photo())
    status = await world.post("alice", "a picture that somebody reports", media_ids=[media["id"]])
    original = await body(world, media["url"])
    bob = await world.client("bob")
    report = {"account_id": str(world.ids["alice"]), "status_ids": [status["id"]], "comment": "please look"}
    assert (await bob.post("/api/v1/reports", json=report)).status_code == 200
    await world.run_jobs()
    await (await world.client("alice")).delete(f"/api/v1/statuses/{status['id']}")
    await world.run_jobs()

    await world.account("mia", role="moderator")
    mia = await sign_in(world.browser(), "mia", PASSWORD)
    queue = (await mia.get("/desk")).text
    case = re.search(r"/desk/cases/\d+", queue)
    assert case is not None
    page = (await mia.get(case[0])).text
    shown = re.search(rf'src="({case[0]}/files/[^"]+)"', page)
    assert shown is not None, "the page shows the copy"
    kept = await mia.get(shown[1])
    assert kept.status_code == 200
    assert kept.content == original
    assert kept.headers["content-type"] == "image/jpeg"
    assert "sandbox" in kept.headers["content-security-policy"]
    assert "no-store" in kept.headers["cache-control"]

    other = await sign_in(world.browser(), "bob", PASSWORD)
    assert (await other.get(shown[1])).status_code == 404
    assert (await world.anonymous.get(shown[1])).status_code in (302, 303)
    assert (await mia.get(shown[1].replace(case[0], f"{case[0][:-1]}0"))).status_code == 404
    assert (await mia.get(f"{case[0]}/files/aa/bb/..%2f..%2fsecret.key")).status_code == 404
