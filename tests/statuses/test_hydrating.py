"""`list_statuses`, on which every timeline stands: order, marks, staleness, and the number of queries."""

from __future__ import annotations

from typing import Any

from parley.social.accounts.views import Viewer
from parley.social.statuses.hydrate import list_statuses
from parley.social.statuses.views import StatusView
from tests.conftest import World
from tests.statuses.cast import act, ask, known, read, upload


async def hydrate(world: World, name: str, status_ids: list[str]) -> tuple[list[StatusView], list[str]]:
    """The statuses as `name` sees them, and the queries that this took."""
    viewer = Viewer(account_id=await world.account(name), username=name)
    with world.queries() as seen:
        async with world.instance.db.read() as tx:
            views = await list_statuses(tx, viewer, [int(status_id) for status_id in status_ids])
    return views, seen


async def make_page(world: World, length: int) -> list[str]:
    """A page of everything: posts, replies, boosts, quotes, polls, pictures, emoji, content warnings."""
    ids: list[str] = []
    for n in range(length):
        author = ("bob", "remi", "carol")[n % 3]
        post = await world.post(author, f"post {n} #tag{n} @alice")
        match n % 5:
            case 0:
                ids.append(post["id"])
            case 1:
                ids.append((await act(world, "dave", post["id"], "reblog"))["id"])
            case 2:
                ids.append((await world.post("dave", "so true", quoted_status_id=post["id"]))["id"])
            case 3:
                poll = {"options": ["a", "b"], "expires_in": 600}
                ids.append((await world.post(author, "what?", poll=poll, in_reply_to_id=post["id"]))["id"])
            case 4:
                media = await upload(world, author, f"picture {n}")
                ids.append((await world.post(author, "look", media_ids=[media]))["id"])
    return ids


async def test_a_page_costs_the_same_number_of_queries_however_long_it_is(world: World) -> None:
    await known(world, "alice", "bob", "remi", "carol", "dave")
    ids = await make_page(world, 20)
    numbers: dict[int, list[int]] = {}
    for length in (5, 20):
        numbers[length] = []
        for _ in range(2):
            views, seen = await hydrate(world, "alice", ids[:length])
            assert [str(view.id) for view in views] == ids[:length]
            numbers[length].append(len(seen))
    assert max(numbers[5] + numbers[20]) <= 8
    assert numbers[5][1] == numbers[20][1] <= 4, "marks, accounts, ties and polls, once the process knows the rest"


async def test_the_order_is_kept_and_the_missing_are_left_out(world: World) -> None:
    ids = [(await world.post("bob", f"post {n}"))["id"] for n in range(3)]
    secret = await world.post("bob", "psst", visibility="direct")
    views, _ = await hydrate(world, "alice", [ids[1], "12345", secret["id"], ids[2], ids[0], ids[1]])
    assert [str(view.id) for view in views] == [ids[1], ids[2], ids[0], ids[1]]


async def test_nothing_stale_is_shown(world: World) -> None:
    """What a process keeps of a status is dropped by whatever changes it."""
    await known(world, "alice", "bob")
    post = await world.post("bob", "first")
    boost = await act(world, "remi", post["id"], "reblog")
    quote = await world.post("carol", "see", quoted_status_id=post["id"])
    ids = [post["id"], boost["id"], quote["id"]]

    async def texts() -> list[Any]:
        views, _ = await hydrate(world, "alice", ids)
        shown = [(view.reblog or (view.quote.status if view.quote else None) or view) for view in views]
        return [(view.text, view.favourites_count, view.favourited) for view in shown]

    assert await texts() == [("first", 0, False)] * 3
    await ask(world, "bob", "PUT", f"/statuses/{post['id']}", json={"status": "second"})
    assert await texts() == [("second", 0, False)] * 3
    await act(world, "alice", post["id"], "favourite")
    assert await texts() == [("second", 1, True)] * 3
    await ask(world, "bob", "DELETE", f"/statuses/{post['id']}")
    views, _ = await hydrate(world, "alice", ids)
    assert [str(view.id) for view in views] == [quote["id"]]
    assert views[0].quote is not None
    assert views[0].quote.state == "deleted"


async def test_a_suspended_author_disappears_at_once(world: World) -> None:
    post = await world.post("bob", "hello")
    boost = await act(world, "remi", post["id"], "reblog")
    assert len((await hydrate(world, "alice", [post["id"], boost["id"]]))[0]) == 2
    async with world.instance.db.write() as tx:
        await tx.execute(
            "UPDATE accounts SET state = 'suspended', version = version + 1 WHERE id = $1", world.ids["bob"]
        )
    assert (await hydrate(world, "alice", [post["id"], boost["id"]]))[0] == []


async def test_an_edit_that_is_rolled_back_leaves_no_trace_in_memory(world: World) -> None:
    post = await world.post("bob", "first")
    await read(world, "alice", post["id"])
    viewer = Viewer(account_id=await world.account("alice"), username="alice")
    try:
        async with world.instance.db.write() as tx:
            await tx.execute("UPDATE statuses SET html = '<p>never</p>' WHERE id = $1", int(post["id"]))
            views = await list_statuses(tx, viewer, [int(post["id"])])
            assert views[0].html == "<p>never</p>"
            raise LookupError
    except LookupError:
        pass
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET html = '<p>second</p>' WHERE id = $1", int(post["id"]))
    assert (await read(world, "alice", post["id"]))["content"] == "<p>second</p>"


async def test_a_post_is_shown_to_others_once_its_picture_is_ready(world: World) -> None:
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (32, 24), "green").save(data, "PNG")
    client = await world.client("alice")
    answer = await client.post("/api/v2/media", files={"file": ("a.png", data.getvalue(), "image/png")})
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    assert (await read(world, "alice", post["id"]))["media_attachments"][0]["url"] is None
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).status_code == 404
    await world.run_jobs()
    assert (await read(world, "bob", post["id"]))["media_attachments"][0]["url"]


async def test_profiles_show_what_each_reader_may_see(world: World) -> None:
    await world.account("bob")
    await world.follow("remi", "alice")
    posts = {
        name: (await world.post("alice", f"{name} @bob" if name == "direct" else name, visibility=name))["id"]
        for name in ("public", "unlisted", "private", "direct")
    }
    local = await world.post("alice", "local", local_only=True)
    reply = await world.post("alice", "answer", in_reply_to_id=(await world.post("bob", "hi"))["id"])
    boost = await act(world, "alice", (await world.post("bob", "hello"))["id"], "reblog")
    alice = await world.account("alice")

    async def listed(name: str | None, query: str = "") -> set[str]:
        answer = await ask(world, name, "GET", f"/accounts/{alice}/statuses?limit=40{query}")
        return {status["id"] for status in answer.json()}

    public = {posts["public"], posts["unlisted"], reply["id"], boost["id"]}
    assert await listed(None) == public
    assert await listed("carol") == public | {local["id"]}
    assert await listed("remi") == public | {local["id"], posts["private"]}
    assert await listed("bob") == public | {local["id"], posts["direct"]}
    assert await listed("alice") == public | {local["id"], *posts.values()}
    assert await listed(None, "&exclude_replies=true") == public - {reply["id"]}
    assert await listed(None, "&exclude_reblogs=true") == public - {boost["id"]}
    assert await listed(None, "&only_media=true") == set()
