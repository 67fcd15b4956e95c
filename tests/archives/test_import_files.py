"""Members bring along whom they follow, block and mute, their lists and bookmarks: seen first, then taken."""

from __future__ import annotations

import pytest

from tests.archives.helpers import browser_of, import_file, run_out, take
from tests.conftest import World
from tests.web.forms import submit

HEADING = b"Account address,Show boosts,Notify on new posts,Languages\n"


async def names(world: World, name: str, path: str) -> list[str]:
    """Who stands in a list that the API gives to `name`."""
    answer = await (await world.client(name)).get(path)
    return sorted(one["username"] if isinstance(one, dict) else one for one in answer.json())


async def following(world: World, name: str) -> list[str]:
    return await names(world, name, f"/api/v1/accounts/{world.ids[name]}/following?limit=80")


async def test_a_file_is_shown_before_anything_happens(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.account("bob")
    content = HEADING + b"bob@localhost:3000,true,false,\nremi@remote.example,true,false,\n"
    answer = await submit(
        browser, "/settings/import", "/settings/import", {"file": ("x.csv", content, "text/csv")}, kind="following"
    )
    assert "2 rows in the file." in answer.text
    assert "1 names somebody who is not known here" in answer.text
    await run_out(world)
    assert await following(world, "alice") == []
    page = await take(world, browser, answer, mode="merge")
    assert "Done: 1 of 2 taken, 1 could not be" in page.text
    assert await following(world, "alice") == ["bob"]
    failures = await browser.get(f"{page.url.path}/failures")
    assert failures.text == (
        "Account address,Show boosts,Notify on new posts,Languages\nremi@remote.example,true,false,\n"
    )


async def test_follows_are_added_or_replaced_as_the_member_wishes(world: World) -> None:
    browser = await browser_of(world, "alice")
    for name in ("bob", "carol", "dave"):
        await world.account(name)
    await world.follow("alice", "bob")
    await world.follow("alice", "carol")
    content = HEADING + b"carol,false,true,en\ndave@localhost:3000,true,false,\n"
    await import_file(world, browser, "following", content)
    assert await following(world, "alice") == ["bob", "carol", "dave"]
    relation = (
        await (await world.client("alice")).get(f"/api/v1/accounts/relationships?id[]={world.ids['carol']}")
    ).json()[0]
    assert (relation["showing_reblogs"], relation["notifying"], relation["languages"]) == (False, True, ["en"])
    answer = await submit(
        browser, "/settings/import", "/settings/import", {"file": ("x.csv", content, "text/csv")}, kind="following"
    )
    assert "1 that you have now and the file does not name would go" in answer.text
    await take(world, browser, answer, mode="overwrite")
    assert await following(world, "alice") == ["carol", "dave"]


async def test_whoever_approves_followers_is_asked_and_whoever_blocks_is_not_followed(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.account("locked_lea", locked=True)
    bob = await world.client("bob")
    await bob.post(f"/api/v1/accounts/{world.ids['alice']}/block")
    page = await import_file(world, browser, "following", b"locked_lea@localhost:3000\nbob@localhost:3000\n")
    assert await following(world, "alice") == []
    assert "Done: 1 of 2 taken, 1 could not be" in page.text
    waiting = await (await world.client("locked_lea")).get("/api/v1/follow_requests")
    assert [one["username"] for one in waiting.json()] == ["alice"]


async def test_blocks_mutes_and_domains_are_brought_along(world: World) -> None:
    browser = await browser_of(world, "alice")
    for name in ("bob", "carol", "dave"):
        await world.account(name)
    alice = await world.client("alice")
    await alice.post(f"/api/v1/accounts/{world.ids['dave']}/block")
    await import_file(world, browser, "blocking", b"bob@localhost:3000\n", mode="overwrite")
    assert await names(world, "alice", "/api/v1/blocks") == ["bob"]
    await import_file(world, browser, "muting", b"Account address,Hide notifications\ncarol,false\n")
    assert await names(world, "alice", "/api/v1/mutes") == ["carol"]
    relation = (await alice.get(f"/api/v1/accounts/relationships?id[]={world.ids['carol']}")).json()[0]
    assert relation["muting_notifications"] is False
    page = await import_file(world, browser, "domain_blocking", b"Bad.Example\nnot a domain\n")
    assert await names(world, "alice", "/api/v1/domain_blocks") == ["bad.example"]
    assert "must be the name of a host" in page.text


async def test_lists_are_made_and_whoever_is_in_them_is_followed(world: World) -> None:
    browser = await browser_of(world, "alice")
    for name in ("bob", "carol"):
        await world.account(name)
    alice = await world.client("alice")
    await alice.post("/api/v1/lists", json={"title": "Old"})
    content = b'Friends,bob@localhost:3000\nFriends,carol@localhost:3000\n"Work, late",bob@localhost:3000\n'
    await import_file(world, browser, "lists", content, mode="overwrite")
    lists = {one["title"]: one["id"] for one in (await alice.get("/api/v1/lists")).json()}
    assert sorted(lists) == ["Friends", "Work, late"]
    assert await names(world, "alice", f"/api/v1/lists/{lists['Friends']}/accounts") == ["bob", "carol"]
    assert await following(world, "alice") == ["bob", "carol"]
    await import_file(world, browser, "lists", b"Friends,bob@localhost:3000\n", mode="overwrite")
    assert await names(world, "alice", f"/api/v1/lists/{lists['Friends']}/accounts") == ["bob"]


async def test_bookmarks_name_posts_that_the_member_may_see(world: World) -> None:
    browser = await browser_of(world, "alice")
    seen = await world.post("bob", "for all")
    hidden = await world.post("bob", "not for alice", visibility="direct")
    content = f"{seen['uri']}\n{hidden['uri']}\nhttps://remote.example/1\nfile:///etc/passwd\n".encode()
    page = await import_file(world, browser, "bookmarks", content)
    assert "Done: 1 of 4 taken, 3 could not be" in page.text
    kept = (await (await world.client("alice")).get("/api/v1/bookmarks")).json()
    assert [one["id"] for one in kept] == [seen["id"]]


async def test_filters_come_along_and_twice_is_once(world: World) -> None:
    browser = await browser_of(world, "alice")
    content = (
        b'{"custom_filters": [{"title": "Spoilers", "context": ["home"], "action": "hide", "expire_at": null,'
        b' "keywords_attributes": [{"keyword": "finale", "whole_word": true}], "statuses": []}]}'
    )
    for _ in range(2):
        await import_file(world, browser, "custom_filters", content)
    found = (await (await world.client("alice")).get("/api/v2/filters")).json()
    assert [(one["title"], [word["keyword"] for word in one["keywords"]]) for one in found] == [
        ("Spoilers", ["finale"])
    ]


async def test_everything_that_one_member_exports_another_can_import(world: World) -> None:
    alice, carol = await browser_of(world, "alice"), await browser_of(world, "carol")
    client = await world.client("alice")
    for name in ("bob", "dave", "eve"):
        await world.account(name)
    await world.follow("alice", "bob")
    await client.post(f"/api/v1/accounts/{world.ids['dave']}/block")
    await client.post(f"/api/v1/accounts/{world.ids['eve']}/mute", json={"notifications": False})
    await client.post("/api/v1/domain_blocks", json={"domain": "bad.example"})
    made = (await client.post("/api/v1/lists", json={"title": '=cmd|"x", y'})).json()
    await client.post(f"/api/v1/lists/{made['id']}/accounts", json={"account_ids": [str(world.ids["bob"])]})
    status = await world.post("bob", "keep")
    await client.post(f"/api/v1/statuses/{status['id']}/bookmark")
    kinds = {
        "following": "following_accounts.csv",
        "lists": "lists.csv",
        "blocking": "blocked_accounts.csv",
        "muting": "muted_accounts.csv",
        "domain_blocking": "blocked_domains.csv",
        "bookmarks": "bookmarks.csv",
    }
    before = {}
    for kind, name in kinds.items():
        before[kind] = (await alice.get(f"/settings/export/files/{name}")).content
        page = await import_file(world, carol, kind, before[kind])
        assert "could not be" not in page.text, (kind, page.text)
    for kind, name in kinds.items():
        assert (await carol.get(f"/settings/export/files/{name}")).content == before[kind], kind


async def test_an_import_that_runs_twice_does_everything_once(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.account("bob")
    page = await import_file(world, browser, "following", b"bob@localhost:3000\n")
    from parley.social.archives.import_jobs import run_import

    import_id = int(page.url.path.rpartition("/")[2])
    await run_import(world.instance, {"import_id": import_id})
    assert "Done: 1 of 1 taken" in (await browser.get(page.url.path)).text
    followed = (await world.anonymous.get(f"/api/v1/accounts/{world.ids['bob']}")).json()["followers_count"]
    assert followed == 1


async def test_an_import_is_its_owners_alone(world: World) -> None:
    browser, bob = await browser_of(world, "alice"), await browser_of(world, "bob")
    page = await import_file(world, browser, "following", b"nobody@remote.example\n")
    for path in (page.url.path, f"{page.url.path}/failures"):
        assert (await bob.get(path)).status_code == 404
    form = (await bob.get("/settings/import")).text.split('name="csrf" value="')[1].split('"')[0]
    for verb in ("confirm", "cancel"):
        answer = await bob.post(f"{page.url.path}/{verb}", data={"csrf": form})
        assert answer.status_code == 404
        assert (await browser.post(f"{page.url.path}/{verb}", data={"csrf": "x"})).status_code == 403


async def test_a_running_import_can_be_stopped(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.account("bob")
    answer = await submit(
        browser,
        "/settings/import",
        "/settings/import",
        {"file": ("x.csv", b"bob@localhost:3000\n", "text/csv")},
        kind="following",
    )
    dropped = await submit(browser, answer.url.path, f"{answer.url.path}/cancel")
    assert dropped.url.path == "/settings/import"
    await run_out(world)
    assert await following(world, "alice") == []
    again = await browser.post(f"{answer.url.path}/confirm", data={"csrf": csrf_of(dropped.text)})
    assert again.status_code == 409


def csrf_of(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"')[0]


async def test_only_so_many_imports_may_be_open_at_once(world: World) -> None:
    browser = await browser_of(world, "alice")
    for number in range(5):
        answer = await submit(
            browser,
            "/settings/import",
            "/settings/import",
            {"file": ("x.csv", b"p%d@remote.example\n" % number, "text/csv")},
            kind="blocking",
        )
        assert answer.status_code == 200
    refused = await submit(
        browser,
        "/settings/import",
        "/settings/import",
        {"file": ("x.csv", b"a@b.example\n", "text/csv")},
        kind="blocking",
    )
    assert refused.status_code == 409
    assert "not done yet" in refused.text


@pytest.mark.parametrize("content", [b"", b'"open\n', b"\xff\xfe"])
async def test_a_file_that_cannot_be_read_is_refused_on_the_page(world: World, content: bytes) -> None:
    browser = await browser_of(world, "alice")
    answer = await submit(
        browser, "/settings/import", "/settings/import", {"file": ("x.csv", content, "text/csv")}, kind="following"
    )
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


async def test_rows_of_a_stranger_are_shown_without_their_markup(world: World) -> None:
    browser = await browser_of(world, "alice")
    page = await import_file(world, browser, "lists", b"<script>alert(1)</script>,=HYPERLINK(1)@x.example\n")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text
    given_back = (await browser.get(f"{page.url.path}/failures")).text
    assert given_back == "<script>alert(1)</script>,'=HYPERLINK(1)@x.example\n"
