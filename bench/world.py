"""A seeded world to measure: 1,000 members who follow 50 each and wrote 20,000 posts (`--times 10`: tenfold).

Rows go in by COPY and by set-based SQL, and obey every constraint; the same seed makes the same world. Each member
`memberN` has an access token `bench-token-N` with the scopes read, write and follow. Never run it on a real instance:
it refuses a database that has accounts.

    python bench/world.py postgresql:///parley_bench [--times 10]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

SEED = 20_260_101
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
BASE = "http://localhost:3000"
ALT_TEXT = "A bridge in the evening light."
BLURHASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
WORDS = [
    "morning",
    "coffee",
    "river",
    "bridge",
    "garden",
    "winter",
    "light",
    "paper",
    "music",
    "train",
    "window",
    "letter",
    "harbour",
    "bread",
    "mountain",
    "question",
    "answer",
    "friend",
    "evening",
    "story",
    "picture",
    "market",
    "summer",
    "bicycle",
    "library",
    "engine",
    "cloud",
    "silver",
    "quiet",
    "thunder",
    "meadow",
    "lantern",
    "compass",
    "orchard",
    "velvet",
    "pebble",
    "whisper",
    "journey",
    "copper",
    "anchor",
    "ribbon",
    "harvest",
]
TAGS = [
    "photography",
    "caturday",
    "books",
    "python",
    "gardening",
    "music",
    "cycling",
    "astronomy",
    "cooking",
    "fediverse",
    "history",
    "maps",
]

Rows = list[tuple[Any, ...]]


class Ids:
    """Ids as the database makes them, from a clock of our own."""

    def __init__(self) -> None:
        self.count = 0

    def at(self, moment: datetime) -> int:
        """A new id made at `moment`."""
        self.count += 1
        return (int(moment.timestamp() * 1000) << 16) | (self.count & 0xFFFF)


def screening(ids: Ids, kind: str, subject: int, account: int, moment: datetime) -> tuple[Any, ...]:
    """One row of screening_results that allowed `subject`."""
    detail = json.dumps({"signals": {}, "matches": [], "because": [], "rules": []})
    return (ids.at(moment), kind, subject, 1, account, "allow", "bench", detail, 90, moment)


async def seed_world(
    connection: Any, *, accounts: int, follows: int, posts: int, fan_out: bool = True
) -> dict[str, Any]:
    """Fill an empty database; returns the members' ids and the ids of the posts."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM accounts)"):
        raise SystemExit("This database has accounts; the bench world needs an empty one.")
    dice = random.Random(SEED)
    ids = Ids()
    async with connection.transaction():
        members = await _add_members(connection, ids, accounts)
        friends = await _add_follows(connection, ids, dice, members, follows)
        statuses = await _add_statuses(connection, ids, dice, members, posts)
        await _add_marks(connection, dice, members, statuses)
        await connection.execute(COUNT_EVERYTHING)
        await connection.execute(INDEX_STATUSES)
        if fan_out:
            await connection.execute(FILL_HOMES)
    await connection.execute("VACUUM (ANALYZE)")
    return {"members": members, "friends": friends, "statuses": statuses}


async def _copy(connection: Any, table: str, columns: str, rows: Rows) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=columns.split())


SCREENING_COLUMNS = "id subject_type subject_id revision account_id outcome ruleset detail latency_us created_at"


async def _add_members(connection: Any, ids: Ids, count: int) -> list[int]:
    members = [ids.at(START) for _ in range(count)]
    screened: Rows = [screening(ids, "profile", member, member, START) for member in members]
    await _copy(connection, "screening_results", SCREENING_COLUMNS, screened)
    rows: Rows = []
    users: Rows = []
    tokens: Rows = []
    app = await connection.fetchval(INSERT_APP)
    for number, (member, result) in enumerate(zip(members, screened, strict=True), start=1):
        note = f"I write about {WORDS[number % len(WORDS)]}."
        rows.append((member, f"member{number}", f"Member {number}", note, f"<p>{note}</p>", result[0], START, START))
        webauthn = hashlib.sha256(str(number).encode()).digest()
        users.append((member, f"member{number}@bench.invalid", START, "!", START, webauthn, START))
        token = hashlib.sha256(f"bench-token-{number}".encode()).digest()
        tokens.append((ids.at(START), token, app, member, ["read", "write", "follow"], START))
    await _copy(
        connection,
        "accounts",
        "id username display_name note note_html screening_id created_at updated_at",
        rows,
    )
    await _copy(
        connection,
        "users",
        "account_id email email_confirmed_at password_hash approved_at webauthn_id created_at",
        users,
    )
    await _copy(connection, "access_tokens", "id token_hash app_id account_id scopes created_at", tokens)
    return members


async def _add_follows(
    connection: Any, ids: Ids, dice: random.Random, members: list[int], each: int
) -> dict[int, list[int]]:
    friends: dict[int, list[int]] = {}
    rows: Rows = []
    for member in members:
        chosen = [other for other in dice.sample(members, min(each + 1, len(members))) if other != member][:each]
        friends[member] = chosen
        rows += [(ids.at(START), member, other, START) for other in chosen]
    await _copy(connection, "follows", "id account_id target_id created_at", rows)
    return friends


async def _add_statuses(connection: Any, ids: Ids, dice: random.Random, members: list[int], count: int) -> list[int]:
    """Of 100 posts 15 are boosts, 15 replies, 15 carry a tag, 8 a picture, 4 a content warning, 10 are unlisted."""
    made: list[tuple[int, int, int]] = []  # id, author, conversation
    screened: Rows = []
    statuses: Rows = []
    revisions: Rows = []
    media: Rows = []
    tagged: Rows = []
    tag_ids = {name: ids.at(START) for name in TAGS}
    step = timedelta(days=DAYS) / count
    for number in range(count):
        moment = START + timedelta(days=1) + step * number
        author = dice.choice(members)
        status = ids.at(moment)
        url = f"http://localhost:3000/@member/{status}"
        if number > 100 and dice.random() < 0.15:
            original = dice.choice(made[-400:])
            statuses.append(
                (
                    status,
                    author,
                    status,
                    None,
                    None,
                    original[0],
                    "public",
                    "",
                    "",
                    "",
                    None,
                    [],
                    [],
                    [],
                    None,
                    url,
                    url,
                    moment,
                )
            )
            continue
        parent = dice.choice(made[-200:]) if number > 100 and dice.random() < 0.18 else None
        text = " ".join(dice.choices(WORDS, k=dice.randint(6, 30))).capitalize() + "."
        tags = [dice.choice(TAGS)] if dice.random() < 0.18 else []
        spoiler = "A long thought" if dice.random() < 0.04 else ""
        visibility = "unlisted" if dice.random() < 0.1 else "public"
        pictures = []
        if dice.random() < 0.09:
            pictures.append(ids.at(moment))
            check = screening(ids, "media", pictures[0], author, moment)
            screened.append(check)
            name = hashlib.sha256(str(pictures[0]).encode()).hexdigest()[:43]
            media.append(
                (pictures[0], author, status, "image", "ready", f"{name}.webp", f"{name}-small.webp", "image/webp",
                 90_000, PICTURE_META, BLURHASH, ALT_TEXT, check[0], moment)
            )  # fmt: skip
        check = screening(ids, "status", status, author, moment)
        screened.append(check)
        shown = text + (f" #{tags[0]}" if tags else "")
        link = (
            f' <a href="{BASE}/tags/{tags[0]}" class="mention hashtag" rel="tag">#<span>{tags[0]}</span></a>'
            if tags
            else ""
        )
        html = f"<p>{text}{link}</p>"
        conversation = parent[2] if parent else status
        statuses.append(
            (status, author, conversation, parent and parent[0], parent and parent[1], None, visibility, shown, html,
             spoiler, "en", tags, pictures, [ALT_TEXT] * len(pictures), check[0], url, url, moment)
        )  # fmt: skip
        revisions.append(
            (
                status,
                1,
                shown,
                html,
                spoiler,
                bool(spoiler),
                "en",
                tags,
                pictures,
                [ALT_TEXT] * len(pictures),
                check[0],
                "published",
                moment,
            )
        )
        tagged += [(tag_ids[name], status) for name in tags]
        made.append((status, author, conversation))
    await _copy(connection, "screening_results", SCREENING_COLUMNS, screened)
    await _copy(connection, "tags", "id name display_name", [(tag, name, name) for name, tag in tag_ids.items()])
    await _copy(
        connection,
        "statuses",
        "id account_id conversation_id in_reply_to_id in_reply_to_account_id reblog_of_id visibility text html "
        "spoiler_text language tags media_ids media_descriptions screening_id uri url created_at state",
        _once_boosted(statuses),
    )
    await _copy(
        connection,
        "status_revisions",
        "status_id revision text html spoiler_text sensitive language tags media_ids media_descriptions screening_id "
        "state created_at",
        revisions,
    )
    await _copy(
        connection,
        "media",
        "id account_id status_id type state file preview_file mime_type size_bytes meta blurhash description "
        "screening_id created_at",
        media,
    )
    await _copy(connection, "status_tags", "tag_id status_id", tagged)
    return [status for status, _, _ in made]


PICTURE_META = json.dumps(
    {
        "original": {"width": 1600, "height": 1200, "size": "1600x1200", "aspect": 1.3333333},
        "small": {"width": 640, "height": 480, "size": "640x480", "aspect": 1.3333333},
        "focus": {"x": 0.0, "y": 0.0},
    }
)


def _once_boosted(rows: Rows) -> Rows:
    """Nobody boosts the same status twice; `state` is the last column."""
    seen: set[tuple[int, int]] = set()
    kept: Rows = []
    for row in rows:
        if row[5] is not None:
            if (row[1], row[5]) in seen:
                continue
            seen.add((row[1], row[5]))
        kept.append((*row, "published"))
    return kept


async def _add_marks(connection: Any, dice: random.Random, members: list[int], statuses: list[int]) -> None:
    """Three favourites for each post on average, and a bookmark for every twentieth."""
    pairs = {(dice.choice(members), dice.choice(statuses)) for _ in range(3 * len(statuses))}
    await _copy(connection, "favourites", "account_id status_id", sorted(pairs))
    kept = {(dice.choice(members), status) for status in statuses[::20]}
    await _copy(connection, "bookmarks", "account_id status_id", sorted(kept))


INSERT_APP = """
    INSERT INTO apps (name, client_id, client_secret_hash, redirect_uris, scopes)
    VALUES ('Bench', 'bench', '\\x00', '{urn:ietf:wg:oauth:2.0:oob}', '{read,write,follow}')
    RETURNING id
"""

COUNT_EVERYTHING = """
    INSERT INTO account_stats (account_id, statuses_count, followers_count, following_count, last_status_at)
    SELECT a.id,
           (SELECT count(*) FROM statuses s WHERE s.account_id = a.id),
           (SELECT count(*) FROM follows f WHERE f.target_id = a.id),
           (SELECT count(*) FROM follows f WHERE f.account_id = a.id),
           (SELECT max(s.created_at) FROM statuses s WHERE s.account_id = a.id)
    FROM accounts a;
    INSERT INTO profile_revisions (account_id, revision, profile, held, screening_id, created_at)
    SELECT id, 1, jsonb_build_object('display_name', display_name, 'note', note), false, screening_id, created_at
    FROM accounts;
    INSERT INTO status_stats (status_id, replies_count, reblogs_count, favourites_count)
    SELECT s.id, coalesce(r.n, 0), coalesce(b.n, 0), coalesce(f.n, 0)
    FROM statuses s
    LEFT JOIN (SELECT in_reply_to_id AS id, count(*) AS n FROM statuses GROUP BY 1) r ON r.id = s.id
    LEFT JOIN (SELECT reblog_of_id AS id, count(*) AS n FROM statuses GROUP BY 1) b ON b.id = s.id
    LEFT JOIN (SELECT status_id AS id, count(*) AS n FROM favourites GROUP BY 1) f ON f.id = s.id;
"""

INDEX_STATUSES = """
    INSERT INTO status_search (status_id, account_id, words)
    SELECT id, account_id, to_tsvector('simple', text) FROM statuses WHERE reblog_of_id IS NULL
"""

# The newest 400 rows of each home, as the jobs would have left them.
FILL_HOMES = """
    INSERT INTO home_timeline (account_id, status_id, author_id, original_id)
    SELECT a.id, s.id, s.account_id, coalesce(s.reblog_of_id, s.id)
    FROM accounts a
    CROSS JOIN LATERAL (
        SELECT s.id, s.account_id, s.reblog_of_id
        FROM (
            SELECT f.target_id AS author_id FROM follows f WHERE f.account_id = a.id
            UNION ALL
            SELECT a.id
        ) friends
        CROSS JOIN LATERAL (
            SELECT * FROM statuses s WHERE s.account_id = friends.author_id ORDER BY s.id DESC LIMIT 40
        ) s
        WHERE s.reblog_of_id IS NOT NULL OR s.in_reply_to_account_id IS NULL OR s.in_reply_to_account_id = s.account_id
           OR EXISTS (SELECT FROM follows f WHERE f.account_id = a.id AND f.target_id = s.in_reply_to_account_id)
        ORDER BY s.id DESC
        LIMIT 400
    ) s
"""


async def main() -> None:
    """Seed the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn")
    parser.add_argument("--times", type=int, default=1, help="how many times larger the world is")
    options = parser.parse_args()
    connection = await asyncpg.connect(options.dsn)
    began = time.perf_counter()
    world = await seed_world(connection, accounts=1_000 * options.times, follows=50, posts=20_000 * options.times)
    await connection.close()
    seconds = time.perf_counter() - began
    print(f"{len(world['members'])} members, {len(world['statuses'])} posts in {seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
