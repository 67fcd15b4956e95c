"""Every action, applied and taken back: the same rows and the same answers as before."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parley.safety.decisions.kinds import NEVER_ENDS, SUBJECTS
from parley.safety.decisions.views import NewAction
from parley.safety.log.views import Subject
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import upload
from tests.safety.auditing import assert_audit_holds
from tests.safety.decisions.deciding import (
    account,
    answers_of,
    decided,
    mia,
    reversed_by,
    rows_of,
    status,
    viewer_of,
)
from tests.statuses.cast import DOUBTFUL, known, read
from tests.statuses.cast import upload as upload_described

ON_A_STATUS = [kind for kind, subjects in SUBJECTS.items() if "status" in subjects and kind != "publish"]
ON_AN_ACCOUNT = [kind for kind, subjects in SUBJECTS.items() if "account" in subjects]
PEOPLE = ("spam_sam", "bob")


def hours_for(kind: str) -> float | None:
    return None if kind in NEVER_ENDS else 24.0


async def scene(world: World) -> dict[str, Any]:
    """sam posts with a picture, bob follows, answers and likes."""
    await world.account("spam_sam", display_name="Sam", note="I sell things.")
    await known(world, "spam_sam")
    await world.account("mod_mia", role="moderator")
    await world.account("bob")
    await world.follow("bob", "spam_sam")
    client = await world.client("spam_sam")
    media = (await upload(client, samples.jpeg())).json()
    await world.run_jobs()
    post = await world.post("spam_sam", "look at these #cats @bob", media_ids=[media["id"]])
    await world.post("spam_sam", "another post about #cats")
    bob = await world.client("bob")
    await bob.post(f"/api/v1/statuses/{post['id']}/favourite")
    await world.post("bob", "I see", in_reply_to_id=post["id"])
    await world.run_jobs()
    return {"post": post, "media": media, "sam": world.ids["spam_sam"]}


async def there_and_back(world: World, sam: int, action: NewAction, *, changes: bool = True) -> None:
    """The action changes something, and taking it back changes it back."""
    await mia(world)
    rows, answers = await rows_of(world), await answers_of(world, *PEOPLE)
    made = await decided(world, sam, action)
    await world.run_jobs()
    if changes:
        assert await answers_of(world, *PEOPLE) != answers
    await reversed_by(world, made.id)
    await world.run_jobs()
    after, seen = await rows_of(world), await answers_of(world, *PEOPLE)
    for table, before in rows.items():
        assert after[table] == before, table
    for path, before in answers.items():
        assert seen[path] == before, path
    await assert_audit_holds(world)


@pytest.mark.parametrize("kind", ON_A_STATUS)
async def test_what_is_done_to_a_post_can_be_taken_back_without_a_trace(world: World, kind: Any) -> None:
    made = await scene(world)
    action = NewAction(kind, status(made["post"]["id"]), hours_for(kind))
    await there_and_back(world, made["sam"], action, changes=kind not in ("no_action", "warn"))


@pytest.mark.parametrize("kind", ON_AN_ACCOUNT)
async def test_what_is_done_to_an_account_can_be_taken_back_without_a_trace(world: World, kind: Any) -> None:
    made = await scene(world)
    world.settings = msgspec.structs.replace(world.settings, four_eyes=False)
    quiet = ("no_action", "warn", "restrict_posting", "freeze")
    await there_and_back(
        world, made["sam"], NewAction(kind, account(made["sam"]), hours_for(kind)), changes=kind not in quiet
    )


@pytest.mark.parametrize("kind", ["hide", "remove", "remove_media", "quarantine", "warn"])
async def test_what_is_done_to_a_file_can_be_taken_back_without_a_trace(world: World, kind: Any) -> None:
    made = await scene(world)
    await there_and_back(
        world, made["sam"], NewAction(kind, Subject("media", int(made["media"]["id"]))), changes=kind != "warn"
    )


@pytest.mark.parametrize("kind", ["hide", "remove", "warn"])
async def test_a_profile_that_was_emptied_is_as_it_was_when_that_is_taken_back(world: World, kind: Any) -> None:
    made = await scene(world)
    await mia(world)
    sam = made["sam"]
    answers = await answers_of(world, *PEOPLE)
    done = await decided(world, sam, NewAction(kind, Subject("profile", sam)))
    shown = (await world.anonymous.get(f"/api/v1/accounts/{sam}")).json()
    if kind != "warn":
        assert (shown["display_name"], shown["note"]) == ("", "")
    await reversed_by(world, done.id)
    await world.run_jobs()
    assert await answers_of(world, *PEOPLE) == answers


async def _without_days(world: World) -> dict[str, Any]:
    """What bob sees, but for the day of somebody's last post: that it was published that day is not taken back."""
    found = await answers_of(world, "bob")
    for _, body in found.values():
        if isinstance(body, dict):
            body.pop("last_status_at", None)
    return found


async def test_a_held_post_that_was_published_is_held_again_when_that_is_undone(world: World) -> None:
    await known(world, "spam_sam")
    await mia(world)
    await world.account("bob")
    held = await world.post("spam_sam", DOUBTFUL)
    await world.run_jobs()
    rows, answers = await rows_of(world), await _without_days(world)
    made = await decided(world, world.ids["spam_sam"], NewAction("publish", status(held["id"])), clause=None)
    await world.run_jobs()
    assert (await read(world, "bob", held["id"]))["id"] == held["id"]
    await reversed_by(world, made.id)
    await world.run_jobs()
    assert await _without_days(world) == answers
    assert (await rows_of(world))["statuses"] == rows["statuses"]


async def test_a_held_post_that_was_removed_is_held_again_by_undo_and_published_by_an_appeal(world: World) -> None:
    await known(world, "spam_sam")
    lena = await viewer_of(world, "mod_lena")
    held = await world.post("spam_sam", DOUBTFUL)
    sam = world.ids["spam_sam"]
    first = await decided(world, sam, NewAction("remove", status(held["id"])))
    mine = await world.client("spam_sam")
    assert (await mine.get(f"/api/v1/statuses/{held['id']}")).status_code == 404
    await reversed_by(world, first.id)
    assert (await mine.get(f"/api/v1/statuses/{held['id']}")).json()["moderation"]["state"] == "held"
    second = await decided(world, sam, NewAction("remove", status(held["id"])))
    await reversed_by(world, second.id, "appeal", who=lena)
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{held['id']}")).status_code == 200
    async with world.instance.db.read() as tx:
        newest = await tx.fetchrow("SELECT outcome, source FROM labels ORDER BY id DESC LIMIT 1")
    assert tuple(newest) == ("allow", "appeal"), "the judge learns that it was wrong"


async def test_decisions_about_one_post_can_be_taken_back_in_any_order(world: World) -> None:
    made = await scene(world)
    await mia(world)
    sam, post = made["sam"], status(made["post"]["id"])
    answers = await answers_of(world, *PEOPLE)
    limited = await decided(world, sam, NewAction("limit", post))
    removed = await decided(world, sam, NewAction("remove", post))
    labelled = await decided(world, sam, NewAction("label", post, label="Graphic"))
    marked = await decided(world, sam, NewAction("sensitive", post))
    await reversed_by(world, limited.id)
    assert (await world.anonymous.get(f"/api/v1/statuses/{post.id}")).status_code == 404
    await reversed_by(world, removed.id)
    shown = (await world.anonymous.get(f"/api/v1/statuses/{post.id}")).json()
    assert (shown["spoiler_text"], shown["sensitive"]) == ("Graphic", True)
    await reversed_by(world, labelled.id)
    shown = (await world.anonymous.get(f"/api/v1/statuses/{post.id}")).json()
    assert (shown["spoiler_text"], shown["sensitive"]) == ("", True)
    await reversed_by(world, marked.id)
    await world.run_jobs()
    assert await answers_of(world, *PEOPLE) == answers


async def test_restrictions_of_an_account_can_be_taken_back_in_any_order(world: World) -> None:
    await known(world, "spam_sam")
    await mia(world)
    sam = world.ids["spam_sam"]

    async def state() -> str:
        async with world.instance.db.read() as tx:
            return str(await tx.fetchval("SELECT state FROM accounts WHERE id = $1", sam))

    limited = await decided(world, sam, NewAction("limit_account", account(sam)))
    short = await decided(world, sam, NewAction("suspend", account(sam), 1))
    long = await decided(world, sam, NewAction("suspend", account(sam), 100))
    assert await state() == "suspended"
    await reversed_by(world, long.id)
    assert await state() == "suspended"
    await reversed_by(world, limited.id)
    assert await state() == "suspended"
    await reversed_by(world, short.id)
    assert await state() == "active"


async def test_what_its_author_deleted_stays_deleted_when_the_removal_is_taken_back(world: World) -> None:
    sam = await world.account("spam_sam")
    post = await world.post("spam_sam", "soon gone")
    hidden = await decided(world, sam, NewAction("hide", status(post["id"])))
    client = await world.client("spam_sam")
    assert (await client.delete(f"/api/v1/statuses/{post['id']}")).status_code == 200
    await reversed_by(world, hidden.id)
    await world.run_jobs()
    assert (await client.get(f"/api/v1/statuses/{post['id']}")).status_code == 404
    assert (await world.anonymous.get(f"/api/v1/accounts/{sam}")).json()["statuses_count"] == 0
    removed = await decided(world, sam, NewAction("remove", status(post["id"])))
    assert removed.actions[0].kind == "remove", "what is deleted can still be decided about"
    assert (await world.anonymous.get(f"/api/v1/accounts/{sam}")).json()["statuses_count"] == 0


async def test_a_held_edit_that_was_refused_waits_again_by_undo_and_is_shown_by_an_appeal(world: World) -> None:
    await known(world, "spam_sam")
    lena = await viewer_of(world, "mod_lena")
    post = await world.post("spam_sam", "hello")
    sam, mine = world.ids["spam_sam"], await world.client("spam_sam")
    edited = await mine.put(f"/api/v1/statuses/{post['id']}", json={"status": DOUBTFUL})
    assert edited.json()["moderation"]["state"] == "held"
    hidden = await decided(world, sam, NewAction("hide", status(post["id"], 2)))
    assert "hello" in (await read(world, "bob", post["id"]))["content"], "what is shown is not what waits"
    await reversed_by(world, hidden.id)
    dropped = await decided(world, sam, NewAction("remove", status(post["id"], 2)))
    assert "hello" in (await read(world, "spam_sam", post["id"]))["content"]
    assert "hello" in (await read(world, "bob", post["id"]))["content"]
    await reversed_by(world, dropped.id)
    assert (await read(world, "spam_sam", post["id"]))["moderation"]["state"] == "held"
    again = await decided(world, sam, NewAction("remove", status(post["id"], 2)))
    await reversed_by(world, again.id, "appeal", who=lena)
    assert DOUBTFUL in (await read(world, "bob", post["id"]))["content"]
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM removed_texts") == 0


async def test_a_published_edit_gives_way_again_to_what_was_shown_before_when_that_is_undone(world: World) -> None:
    await known(world, "spam_sam")
    post = await world.post("spam_sam", "hello")
    sam, mine = world.ids["spam_sam"], await world.client("spam_sam")
    await mia(world)
    await mine.put(f"/api/v1/statuses/{post['id']}", json={"status": DOUBTFUL})
    await world.run_jobs()
    before = await read(world, "bob", post["id"])
    made = await decided(world, sam, NewAction("publish", status(post["id"], 2)), clause=None)
    assert DOUBTFUL in (await read(world, "bob", post["id"]))["content"]
    await reversed_by(world, made.id)
    assert await read(world, "bob", post["id"]) == before
    assert (await read(world, "spam_sam", post["id"]))["moderation"]["state"] == "held"


async def test_a_held_profile_is_published_refused_and_held_again(world: World) -> None:
    await known(world, "spam_sam")
    lena = await viewer_of(world, "mod_lena")
    sam, mine = world.ids["spam_sam"], await world.client("spam_sam")
    changed = await mine.patch("/api/v1/accounts/update_credentials", json={"note": DOUBTFUL})
    assert changed.status_code == 200

    async def shown() -> str:
        return str((await world.anonymous.get(f"/api/v1/accounts/{sam}")).json()["note"])

    about = Subject("profile", sam)
    published = await decided(world, sam, NewAction("publish", about), clause=None)
    assert DOUBTFUL in await shown()
    await reversed_by(world, published.id)
    assert await shown() == ""
    refused = await decided(world, sam, NewAction("remove", about))
    assert await shown() == ""
    await reversed_by(world, refused.id, "appeal", who=lena)
    assert DOUBTFUL in await shown()


async def test_a_description_that_waits_is_let_through_and_held_again_when_that_is_taken_back(world: World) -> None:
    await known(world, "alice")
    media_id = await upload_described(world, "alice", DOUBTFUL)
    post = await world.post("alice", "Look at this house", media_ids=[media_id])

    async def described() -> str | None:
        client = await world.client("bob")
        shown = (await client.get(f"/api/v1/statuses/{post['id']}")).json()
        return shown["media_attachments"][0]["description"] or None

    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT held FROM media_descriptions WHERE media_id = $1", int(media_id))
    if "moderation" in post:  # the post is let through; its description still waits
        await decided(world, world.ids["alice"], NewAction("publish", status(post["id"])), clause=None)
    assert await described() is None
    made = await decided(
        world, world.ids["alice"], NewAction("no_action", Subject("media", int(media_id))), clause=None
    )
    assert await described() == DOUBTFUL
    await reversed_by(world, made.id)
    assert await described() is None
