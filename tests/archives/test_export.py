"""Members take everything that is theirs with them, and nobody else gets any of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from parley.kit.clock import time_travel
from parley.kit.files import open_file_store
from tests.archives.helpers import browser_of, download, make_archive, post_picture
from tests.conftest import World
from tests.web.forms import submit

FILES = ("following_accounts.csv", "lists.csv", "blocked_accounts.csv", "muted_accounts.csv", "blocked_domains.csv")


async def test_single_files_are_exactly_as_mastodon_writes_them(world: World) -> None:
    browser = await browser_of(world, "alice")
    alice = await world.client("alice")
    bob, carol, dave = [await world.account(name) for name in ("bob", "carol", "dave")]
    await alice.post(f"/api/v1/accounts/{bob}/follow", json={"notify": True, "languages": ["en", "de"]})
    await alice.post(f"/api/v1/accounts/{carol}/follow", json={"reblogs": False})
    await alice.post(f"/api/v1/accounts/{dave}/block")
    await alice.post(f"/api/v1/accounts/{carol}/mute", json={"notifications": False})
    await alice.post("/api/v1/domain_blocks", json={"domain": "bad.example"})
    made = (await alice.post("/api/v1/lists", json={"title": 'Friends, "old"'})).json()
    await alice.post(f"/api/v1/lists/{made['id']}/accounts", json={"account_ids": [str(bob)]})
    status = await world.post("bob", "keep this")
    await alice.post(f"/api/v1/statuses/{status['id']}/bookmark")
    wanted = {
        "following_accounts.csv": "Account address,Show boosts,Notify on new posts,Languages\n"
        'bob@localhost:3000,true,true,"en, de"\ncarol@localhost:3000,false,false,\n',
        "blocked_accounts.csv": "dave@localhost:3000\n",
        "muted_accounts.csv": "Account address,Hide notifications\ncarol@localhost:3000,false\n",
        "blocked_domains.csv": "bad.example\n",
        "lists.csv": '"Friends, ""old""",bob@localhost:3000\n',
        "bookmarks.csv": f"{status['uri']}\n",
    }
    for name, text in wanted.items():
        answer = await browser.get(f"/settings/export/files/{name}")
        assert answer.status_code == 200
        assert answer.text == text, name
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert "no-store" in answer.headers["cache-control"]


async def test_the_filters_come_as_mastodons_json(world: World) -> None:
    browser = await browser_of(world, "alice")
    alice = await world.client("alice")
    answer = await alice.post(
        "/api/v2/filters",
        json={
            "title": "Spoilers",
            "context": ["home", "public"],
            "filter_action": "hide",
            "keywords_attributes": [{"keyword": "finale", "whole_word": False}],
        },
    )
    assert answer.status_code == 200, answer.text
    found = (await browser.get("/settings/export/files/custom_filters.json")).json()
    assert found["custom_filters"] == [
        {
            "title": "Spoilers",
            "expire_at": None,
            "context": ["home", "public"],
            "action": "hide",
            "keywords_attributes": [{"keyword": "finale", "whole_word": False}],
            "statuses": [],
        }
    ]


@pytest.mark.parametrize(
    "path", ["/settings/export", "/settings/import", *(f"/settings/export/files/{f}" for f in FILES)]
)
async def test_nothing_is_handed_out_to_whoever_is_signed_out(world: World, path: str) -> None:
    answer = await world.browser().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


async def test_other_names_of_files_are_not_served(world: World) -> None:
    browser = await browser_of(world, "alice")
    for name in ("passwords.csv", "followers.csv", "..%2f..%2fsigning.key", "following_accounts.csv%00"):
        assert (await browser.get(f"/settings/export/files/{name}")).status_code == 404


async def test_an_archive_holds_everything_of_the_member_in_mastodons_form(world: World) -> None:
    browser = await browser_of(world, "alice")
    alice = await world.client("alice")
    answer = await alice.patch("/api/v1/accounts/update_credentials", json={"note": "I like dunes"})
    assert answer.status_code == 200
    first = await world.post("alice", "Hello #dunes", spoiler_text="sand")
    reply = await world.post("alice", "and more", in_reply_to_id=first["id"], visibility="unlisted")
    picture = await post_picture(world, "alice", "look")
    poll = await world.post("alice", "Which?", poll={"options": ["one", "two"], "expires_in": 3600})
    await world.account("bob")
    message = await world.post("alice", "@bob between us", visibility="direct")
    theirs = await world.post("bob", "@alice a secret answer", visibility="direct")
    public = await world.post("bob", "boost me")
    await alice.post(f"/api/v1/statuses/{public['id']}/reblog")
    await alice.post(f"/api/v1/statuses/{public['id']}/favourite")
    await alice.post(f"/api/v1/accounts/{await world.account('bob')}/note", json={"comment": "met in Lisbon"})
    archive = await make_archive(world, browser)

    names = set(archive.namelist())
    assert {"actor.json", "outbox.json", "likes.json", "bookmarks.json", "README.txt", "account.json"} <= names
    assert {f"csv/{name}" for name in FILES} <= names
    actor = json.loads(archive.read("actor.json"))
    assert actor["id"] == "http://localhost:3000/users/alice"
    assert actor["preferredUsername"] == "alice"
    assert "I like dunes" in actor["summary"]
    outbox = json.loads(archive.read("outbox.json"))
    assert outbox["totalItems"] == len(outbox["orderedItems"]) == 6
    notes = {item["object"]["id"]: item["object"] for item in outbox["orderedItems"] if item["type"] == "Create"}
    assert notes[first["uri"]]["summary"] == "sand"
    assert notes[first["uri"]]["to"] == ["https://www.w3.org/ns/activitystreams#Public"]
    assert notes[first["uri"]]["tag"] == [
        {"type": "Hashtag", "href": "http://localhost:3000/tags/dunes", "name": "#dunes"}
    ]
    assert notes[reply["uri"]]["inReplyTo"] == first["uri"]
    assert notes[poll["uri"]]["type"] == "Question"
    assert [option["name"] for option in notes[poll["uri"]]["oneOf"]] == ["one", "two"]
    assert notes[message["uri"]]["to"] == ["http://localhost:3000/users/bob"]
    assert notes[message["uri"]]["cc"] == []
    attachment = notes[picture["uri"]]["attachment"][0]
    assert attachment["name"] == "a dune"
    served = await world.anonymous.get(picture["media_attachments"][0]["url"])
    assert archive.read(attachment["url"]) == served.content
    boosts = [item["object"] for item in outbox["orderedItems"] if item["type"] == "Announce"]
    assert boosts == [public["uri"]]
    assert json.loads(archive.read("likes.json"))["orderedItems"] == [public["uri"]]
    account = json.loads(archive.read("account.json"))
    assert account["email"] == "alice@example.org"
    assert account["notes"] == [{"address": "bob@localhost:3000", "note": "met in Lisbon"}]
    everything = b"".join(archive.read(name) for name in names)
    assert theirs["content"].encode() not in everything
    assert b"a secret answer" not in everything


async def test_an_archive_can_be_checked_with_what_every_system_has(world: World, tmp_path: Path) -> None:
    tmp_path = tmp_path / "unpacked"
    browser = await browser_of(world, "alice")
    await post_picture(world, "alice", "look")
    (await make_archive(world, browser)).extractall(tmp_path)
    sums = tmp_path / "SHA256SUMS"
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    listed = {line.split("  ", 1)[1] for line in sums.read_text().splitlines()}
    inside = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert inside - listed == {"SHA256SUMS", "SHA256SUMS.sig", "instance-key.pem"}

    def verify() -> int:
        command = "openssl pkeyutl -verify -pubin -inkey instance-key.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig"
        return subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode

    assert verify() == 0
    published = (await world.anonymous.get("/.well-known/parley-key")).json()
    pem = (tmp_path / "instance-key.pem").read_text()
    from parley.social.archives.writing import key_in

    key = key_in(pem.encode())
    assert key is not None
    assert key.hex() == published["public_key"]
    assert hashlib.sha256(key).hexdigest() in (tmp_path / "README.txt").read_text()
    sums.write_text(sums.read_text().replace("a", "b", 1))
    assert verify() != 0


async def test_an_archive_is_its_owners_alone_and_for_some_days(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.post("alice", "mine")
    await make_archive(world, browser)
    answer = await download(browser)
    assert answer.headers["content-disposition"].startswith('attachment; filename="archive-alice-')
    assert answer.headers["cache-control"] == "private, no-store"
    assert int(answer.headers["content-length"]) == len(answer.content)
    path = answer.url.path
    half = len(answer.content) // 2
    rest = await browser.get(path, headers={"range": f"bytes={half}-", "if-range": answer.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, answer.content[half:])
    assert (await world.browser().get(path)).status_code == 303
    bob = await browser_of(world, "bob")
    assert (await bob.get(path)).status_code == 404
    mod = await browser_of(world, "mod_mia")
    assert (await mod.get(path)).status_code == 404
    # No name in any area of the store leads to it.
    stored = [name async for batch in world.instance.files.archives.list_all() for name, _ in batch]
    assert len(stored) == 1
    assert (await world.anonymous.get(f"/media/{stored[0]}")).status_code == 404
    assert [name async for batch in open_file_store(world.settings).list_all() for name, _ in batch] == []
    with time_travel(timedelta(days=7, minutes=1)):
        assert (await browser.get(path)).status_code == 404
        from parley.social.archives.jobs import delete_old_archives

        await delete_old_archives(world.instance, {})
        assert [name async for batch in world.instance.files.archives.list_all() for name, _ in batch] == []


async def test_an_archive_can_be_asked_for_every_three_days(world: World) -> None:
    browser = await browser_of(world, "alice")
    asked = await submit(browser, "/settings/export", "/settings/export/archive")
    assert "waits for its turn" in asked.text
    assert 'hx-trigger="every 4s"' in asked.text
    other = (await browser.get("/settings/import")).text
    form = {"csrf": other.split('name="csrf" value="')[1].split('"')[0]}
    again = await browser.post("/settings/export/archive", data=form)
    assert again.status_code == 409
    await world.run_jobs()
    soon = await browser.post("/settings/export/archive", data=form)
    assert soon.status_code == 429
    assert "every 3 days" in soon.text
    with time_travel(timedelta(days=3, minutes=1)):
        assert (await browser.post("/settings/export/archive", data=form)).status_code == 303
        await world.run_jobs()
    page = await browser.get("/settings/export")
    assert page.text.count("/settings/export/archives/") == 1, "the older one is gone"


async def test_a_mail_says_when_the_archive_is_ready_and_holds_no_way_in(world: World) -> None:
    browser = await browser_of(world, "alice")
    await make_archive(world, browser)
    mails = [path.read_text() for path in world.settings.path("mail").glob("*.eml")]
    ours = [mail for mail in mails if "Your archive is ready" in mail]
    assert len(ours) == 1
    assert "http://localhost:3000/settings/export\n" in ours[0]
    assert "/settings/export/archives/" not in ours[0]


async def test_what_moderators_took_down_is_not_handed_out(world: World) -> None:
    browser = await browser_of(world, "alice")
    status = await post_picture(world, "alice", "this was taken down")
    kept = await world.post("alice", "this stands")
    from parley.social.statuses.enforcing import move_status

    async with world.instance.db.write() as tx:
        await move_status(tx, int(status["id"]), "removed")
    archive = await make_archive(world, browser)
    outbox = archive.read("outbox.json").decode()
    assert kept["uri"] in outbox
    assert "this was taken down" not in outbox
    assert not [name for name in archive.namelist() if name.startswith("media_attachments/")]


async def test_a_suspended_member_can_still_take_everything_away(world: World) -> None:
    await world.account("mod_mia", role="admin")
    browser = await browser_of(world, "spam_sam")
    await world.post("spam_sam", "my words")
    from parley.social.accounts.restrictions import impose_restriction

    async with world.instance.db.write() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await impose_restriction(
            tx, world.ids["spam_sam"], 1, kind="suspend", decision_id=1, clause=None, title="", until=None
        )
    browser = await sign_in_again(world, "spam_sam", browser)
    assert (await browser.get("/settings/profile")).status_code == 403
    archive = await make_archive(world, browser)
    assert b"my words" in archive.read("outbox.json")


async def sign_in_again(world: World, name: str, browser: object) -> object:
    """The session of a browser as it is after moderators decided."""
    from tests.conftest import PASSWORD
    from tests.web.forms import submit as send

    fresh = world.browser()
    await send(fresh, "/sign-in", "/sign-in", login=name, password=PASSWORD)
    return fresh


async def test_the_page_costs_a_fixed_number_of_queries(world: World) -> None:
    browser = await browser_of(world, "alice")
    await browser.get("/settings/export")
    with world.queries() as seen:
        assert (await browser.get("/settings/export")).status_code == 200
    assert len(seen) <= 8, seen


async def test_whoever_finds_the_archive_gone_may_ask_for_another_at_once(world: World) -> None:
    browser = await browser_of(world, "alice")
    await make_archive(world, browser)
    for batch in [batch async for batch in world.instance.files.archives.list_all()]:
        for name, _ in batch:
            await world.instance.files.archives.delete(name)  # as after a move to another host
    answer = await download(browser)
    assert answer.status_code == 404
    assert "Ask for a new one" in answer.text
    await make_archive(world, browser)
    assert (await download(browser)).status_code == 200
