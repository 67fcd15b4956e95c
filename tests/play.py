"""`make play`: the test world as a server to click through. It is thrown away when it stops."""

from __future__ import annotations

import contextlib
import io

import httpx
from PIL import Image, ImageDraw

from tests.live import PASSWORD, LiveServer

CAST = {
    "alice": "Writes about bridges and trains.",
    "bob": "Gardener. Opinions about tea.",
    "mod_mia": "Looks after this place.",
    "carol": "Photographs the harbour at dawn.",
    "spam_sam": "Great offers!!!",
}

TALK = [
    ("alice", "Good morning from the old iron bridge. The river is very high today. #bridges"),
    ("bob", "Planted the last of the garlic. If you have a spare windowsill, plant some too. #gardening"),
    ("carol", "First light over the harbour this morning."),
    (
        "mod_mia",
        "Welcome, everyone. Be kind, and report what is not: I read everything. https://joinparley.example/rules",
    ),
    ("alice", "Does anybody know a good book about the history of timetables? #books #trains"),
]


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
        role = {"mod_mia": "moderator", "alice": "owner"}.get(name, "member")
        ids[name] = server.account(name, role=role)["id"]
        token = server.token(name)
        clients[name] = httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {token}"})
        clients[name].patch("/api/v1/accounts/update_credentials", json={"note": note}).raise_for_status()
    for name, client in clients.items():
        for other, other_id in ids.items():
            if other not in (name, "spam_sam"):
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
    clients["bob"].post(f"/api/v1/statuses/{statuses[2]}/reblog").raise_for_status()
    clients["carol"].post(
        "/api/v1/statuses",
        json={"status": "Tea or coffee?", "poll": {"options": ["Tea", "Coffee", "Water"], "expires_in": 86400}},
    ).raise_for_status()


def main() -> None:
    """Start, fill, and serve until Ctrl-C."""
    with LiveServer.started() as server:
        settle(server)
        print(f"\n  The test world is at {server.base_url}")
        print(f"  Sign in as {', '.join(f'{name}@example.org' for name in CAST)} with the password: {PASSWORD}\n")
        with contextlib.suppress(KeyboardInterrupt):
            assert server.process is not None
            server.process.wait()


if __name__ == "__main__":
    main()
