"""`make play`: the test world as a server to click through. It is thrown away when it stops."""

from __future__ import annotations

import contextlib
import io
import time

import httpx
from PIL import Image, ImageDraw

from tests.live import PASSWORD, LiveServer

CAST = {
    "alice": "Writes about bridges and trains.",
    "bob": "Gardener. Opinions about tea.",
    "mod_mia": "Looks after this place.",
    "carol": "Photographs the harbour at dawn.",
    "spam_sam": "Great offers!!!",
    "mod_ben": "Looks after this place when Mia sleeps.",
    "grumpy_gus": "I say what I think.",
    "shill_shy": "Happy customer.",
}

TALK = [
    ("alice", "Good morning from the old iron bridge. The river is very high today. #bridges"),
    ("bob", "Planted the last of the garlic. If you have a spare windowsill, plant some too. #gardening"),
    ("carol", "Sunrise over the harbour this morning."),
    (
        "mod_mia",
        "Welcome, everyone. Be kind, and report what is not: I read everything. https://joinparley.example/rules",
    ),
    ("alice", "Does anybody know a good book about the history of timetables? #books #trains"),
]


TROUBLE = [
    (
        "spam_sam",
        "My miracle tonic cures every illness within a week, doctors hate it. Ask me how to order",
    ),
    ("spam_sam", "Last bottles of the tonic, friends! Send me your savings now and be healthy for ever"),
    (
        "shill_shy",
        "My miracle tonic cures every illness within a week, doctors hate it. Ask me how to order",
    ),
    ("grumpy_gus", "@carol nobody wants your boring harbour pictures, go away and do not come back"),
    ("grumpy_gus", "I know which tram you take home, @carol. See you tomorrow evening, you will be sorry"),
    ("grumpy_gus", "Which of my neighbours should move out first?"),
]
"""What members report: so that the desk of the moderators has something to decide."""

TROUBLEMAKERS = {name for name, _ in TROUBLE}

REPORTS = [
    ("alice", "spam_sam", (0, 1), "7.1", "He sends this to everybody, my mother nearly paid."),
    ("bob", "spam_sam", (0,), "7.1", ""),
    ("carol", "spam_sam", (1,), "7.1", "Again."),
    ("carol", "grumpy_gus", (3, 4), "1.1", "This frightens me. He does know where I live."),
    ("alice", "grumpy_gus", (4,), "1.1", ""),
    ("bob", "grumpy_gus", (3, 5), "3.1", "Rude to everybody."),
]
"""Who reports whom, about which of TROUBLE, under which clause, in which words."""


def picture() -> bytes:
    """A small painted harbour."""
    image = Image.new("RGB", (1200, 800))
    draw = ImageDraw.Draw(image)
    for y in range(800):
        warm = max(0, 255 - abs(y - 380) // 2)
        draw.line([(0, y), (1200, y)], fill=(warm, 120 + warm // 4, 160 + (800 - y) // 12))
    draw.ellipse([520, 300, 680, 460], fill=(255, 214, 120))
    draw.rectangle([0, 500, 1200, 800], fill=(38, 62, 92))
    for x in range(0, 1200, 90):
        draw.polygon([(x, 520), (x + 60, 520), (x + 30, 500 - x % 200)], fill=(24, 40, 60))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def settle(server: LiveServer) -> None:
    """Make the cast and let them talk."""
    clients = {}
    ids = {}
    for name, note in CAST.items():
        role = {"mod_mia": "moderator", "mod_ben": "moderator", "alice": "owner"}.get(name, "member")
        ids[name] = server.account(name, role=role)["id"]
        token = server.token(name)
        clients[name] = httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {token}"})
        clients[name].patch("/api/v1/accounts/update_credentials", json={"note": note}).raise_for_status()
    for name, client in clients.items():
        for other, other_id in ids.items():
            if other not in (name, *TROUBLEMAKERS):
                client.post(f"/api/v1/accounts/{other_id}/follow").raise_for_status()
    statuses = []
    for name, text in TALK:
        params: dict[str, object] = {"status": text}
        if "harbour" in text:
            upload = clients[name].post(
                "/api/v2/media",
                files={"file": ("harbour.jpg", picture(), "image/jpeg")},
                data={"description": "The sun rises behind the boats in the harbour."},
            )
            upload.raise_for_status()
            params["media_ids"] = [upload.json()["id"]]
            for _ in range(100):
                if clients[name].get(f"/api/v1/media/{upload.json()['id']}").status_code == 200:
                    break
        answer = clients[name].post("/api/v1/statuses", json=params)
        answer.raise_for_status()
        statuses.append(answer.json()["id"])
    clients["bob"].post(
        "/api/v1/statuses", json={"status": "@alice try the one by Simon Bradley.", "in_reply_to_id": statuses[-1]}
    ).raise_for_status()
    clients["carol"].post(f"/api/v1/statuses/{statuses[0]}/favourite").raise_for_status()
    wait_until_seen(clients["bob"], statuses[2])  # its picture is looked at first
    clients["bob"].post(f"/api/v1/statuses/{statuses[2]}/reblog").raise_for_status()
    clients["carol"].post(
        "/api/v1/statuses",
        json={"status": "Tea or coffee?", "poll": {"options": ["Tea", "Coffee", "Water"], "expires_in": 86400}},
    ).raise_for_status()

    make_trouble(clients, ids)


def wait_until_seen(client: httpx.Client, status_id: str) -> None:
    """Return once the client's owner may see a status."""
    for _ in range(300):
        if client.get(f"/api/v1/statuses/{status_id}").status_code == 200:
            return
        time.sleep(0.1)
    raise RuntimeError(f"status {status_id} is not published")


def make_trouble(clients: dict[str, httpx.Client], ids: dict[str, str]) -> None:
    """Posts that break rules, and reports of them: cases for the desk."""
    posts: list[str] = []
    for name, text in TROUBLE:
        body: dict[str, object] = {"status": text}
        if text.endswith("?"):
            body["poll"] = {"options": ["The loud ones", "The foreign ones"], "expires_in": 86400}
            body["spoiler_text"] = "A question for the street"
        if "bottles" in text:
            files = {"file": ("tonic.jpg", picture(), "image/jpeg")}
            upload = clients[name].post("/api/v2/media", files=files, data={"description": "Bottles in the sun."})
            upload.raise_for_status()
            body["media_ids"] = [upload.json()["id"]]
        answer = clients[name].post("/api/v1/statuses", json=body)
        posts.append(answer.json()["id"] if answer.status_code == 200 else "")  # screening may refuse one
    wait_until_seen(clients["bob"], posts[1])
    for by, about, which, clause, comment in REPORTS:
        named = [posts[number] for number in which if posts[number]]
        body = {"account_id": ids[about], "status_ids": named, "rule_ids": [clause], "comment": comment}
        answer = clients[by].post("/api/v1/reports", json={**body, "category": "violation"})
        if answer.status_code == 404:  # what screening holds, nobody else sees: the account itself is reported
            answer = clients[by].post("/api/v1/reports", json={**body, "status_ids": [], "category": "violation"})
        answer.raise_for_status()


def main() -> None:
    """Start, fill, and serve until Ctrl-C."""
    with LiveServer.started() as server:
        settle(server)
        print(f"\n  The test world is at {server.base_url}")
        print(f"  The desk of its moderators: {server.base_url}/desk (sign in as mod_mia or mod_ben)")
        print(f"  Sign in as {', '.join(f'{name}@example.org' for name in CAST)} with the password: {PASSWORD}\n")
        with contextlib.suppress(KeyboardInterrupt):
            assert server.process is not None
            server.process.wait()


if __name__ == "__main__":
    main()
