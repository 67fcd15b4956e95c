"""Files between two whole hosts: real agents, the real link, and what may happen to either of them meanwhile."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import httpx

from parley.hosting.standby.keeping import list_lost_files
from parley.kit.settings import Settings
from tests.moves.load import stored_files
from tests.moves.pairs import pair, status_of, wait_files_equal, wait_ready, wait_until
from tests.moves.providers import NAME, Host, World
from tests.moves.writers import picture


def upload(world: World, host: Host, key: str) -> httpx.Response:
    """Send a picture that no other key has, as clients do: again, where the host asks for that."""
    (alice,) = world.people("alice")
    headers = {"Host": NAME, "Authorization": f"Bearer {alice.token}"}
    files = {"file": ("x.png", picture(key), "image/png")}
    for _ in range(20):
        answer = httpx.post(f"http://{host.address}/api/v2/media", headers=headers, files=files, timeout=60)
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            break
        time.sleep(1)
    return answer


def wait_for_address(world: World, host: Host, media_id: str) -> str:
    """The path under which a cleaned picture is served."""
    (alice,) = world.people("alice")
    headers = {"Host": NAME, "Authorization": f"Bearer {alice.token}"}
    found: list[str] = []

    def is_there() -> bool:
        answer = httpx.get(f"http://{host.address}/api/v1/media/{media_id}", headers=headers, timeout=20)
        if answer.status_code == 200 and answer.json()["url"]:
            found.append(urlsplit(answer.json()["url"]).path)
        return bool(found)

    wait_until(is_there, "the picture is cleaned")
    return found[0]


def look_at(host: Host, address: str) -> tuple[int, bytes]:
    """What a browser is given."""
    answer = httpx.get(f"http://{host.address}{address}", headers={"Host": NAME}, timeout=40)
    return answer.status_code, answer.content


def test_files_survive_killed_agents_a_cut_link_and_a_failover_with_losses() -> None:
    with pair(commits="async", failover="manual") as world:
        a, b = world.a, world.b
        for number in range(6):
            assert upload(world, a, f"first {number}").status_code in (200, 202)
        wait_files_equal(world)

        # A file that is missing on the disk of the one who is asked comes from the other host at that moment.
        shown = upload(world, a, "looked at")
        address = wait_for_address(world, a, shown.json()["id"])
        wait_files_equal(world)
        _, content = look_at(a, address)
        lost = next(path for path in (a.folder / "media").rglob("*") if path.is_file() and path.read_bytes() == content)
        lost.unlink()
        assert look_at(a, address) == (200, content)
        assert lost.read_bytes() == content

        # Both agents are killed while files come; they begin again where they were.
        for host in (b, a):
            for process in host.processes("parley.agent"):
                process.kill()
            for number in range(4):
                assert upload(world, a, f"agent of {host.name} killed {number}").status_code in (200, 202)
        wait_files_equal(world, 60)

        # The link is cut: the standby does not get what comes now, and the primary says so.
        world.network.cut("a", "b")
        for number in range(5):
            assert upload(world, a, f"only a {number}").status_code in (200, 202)

        def is_behind() -> bool:
            status = status_of(a)
            return bool(status and status.media and status.media.backlog_files >= 5)

        wait_until(is_behind, "the primary knows that its standby is behind")
        here, raw = len(stored_files(b)), a.folder / "uploads"
        # A raw file goes last: by then what came of it is on disk and in the log. Nobody was told of one that is not.
        wait_until(lambda: not any(one.is_file() for one in raw.rglob("*")), "the worker has cleaned what was uploaded")
        before = stored_files(a)
        assert len(before) > here

        # The primary is lost with it. Somebody lets the standby take over all the same, and it takes files.
        a.kill()
        b.parley("failover", "--accept-loss", "--yes")
        wait_until(lambda: b.health() == 200, "the standby serves")
        for number in range(3):
            assert upload(world, b, f"on b {number}").status_code in (200, 202)

        # The old primary comes back: it names what it alone had, hands it over, and follows.
        world.network.heal()
        a.start(healthy=False)
        assert wait_ready(world, 120) is b
        wait_files_equal(world, 60)
        losses = list_lost_files(Settings(data_dir=a.folder))
        assert len(losses) == 1
        assert losses[0].given_back
        put = {change.name for change in losses[0].changes if change.op == "put"}
        assert len(put) >= 5
        kept = stored_files(b)
        assert all(kept.get(name) == digest for name, digest in before.items())

        def agree() -> bool:
            ours, theirs = status_of(a), status_of(b)
            assert ours and theirs and ours.media and theirs.media
            return (ours.media.position, ours.media.root) == (theirs.media.position, theirs.media.root)

        wait_until(agree, "both logs end at the same place")
