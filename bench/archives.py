"""How fast a member's archive is made and brought along, and how much memory that takes.

.venv/bin/python -m bench.archives --posts 100000 --pictures 200
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from parley.kit.db import connect
from parley.kit.ids import new_token
from parley.kit.instance import Instance, open_instance
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

FILL = """
    INSERT INTO statuses (id, account_id, conversation_id, visibility, state, text, html, language, screening_id,
        created_at, media_ids, media_descriptions)
    SELECT ((extract(epoch FROM now()) * 1000 - $2 * 1000 + n * 1000)::bigint << 16) + n % 60000, $1,
        ((extract(epoch FROM now()) * 1000 - $2 * 1000 + n * 1000)::bigint << 16) + n % 60000, 'public', 'published',
        'Post number ' || n || ' about the sea, its boats and the people who sail them #sea',
        '<p>Post number ' || n || ' about the sea, its boats and the people who sail them #sea</p>', 'en', $3,
        now() - make_interval(secs => $2 - n), CASE WHEN n <= cardinality($4::bigint[]) THEN ARRAY[$4[n]] ELSE '{}' END,
        CASE WHEN n <= cardinality($4::bigint[]) THEN ARRAY['a boat'] ELSE '{}' END
    FROM generate_series(1, $2::integer) n
"""
FILE = """
    INSERT INTO files (name, account_id, content_hash, content_key, mime_type, size_bytes)
    VALUES ($1, $2, sha256(convert_to($1::text, 'UTF8')), $1, 'image/jpeg', $3)
"""
MEDIA = """
    INSERT INTO media (account_id, type, state, file, mime_type, size_bytes, screening_id)
    VALUES ($1, 'image', 'ready', $2, 'image/jpeg', $3, $4) RETURNING id
"""


def peak() -> float:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def fill(instance: Instance, posts: int, pictures: int, size: int) -> int:
    """A member with so many posts and pictures of `size` bytes; returns the account's id."""
    from parley.kit.files import new_file_name
    from parley.social.sessions.actions import create_member

    async with instance.db.write() as tx:
        account_id = await create_member(
            tx, instance.settings, username="alice", email="alice@example.org", password=new_token()
        )
        screening_id = await tx.fetchval("SELECT screening_id FROM accounts WHERE id = $1", account_id)
        ids = []
        content = new_token(8 * 3000).encode() * (size // 4000 + 1)
        for _ in range(pictures):
            name = new_file_name("jpg")
            await instance.files.put(name, content[:size])
            await tx.execute(FILE, name, account_id, size)
            ids.append(await tx.fetchval(MEDIA, account_id, name, size, screening_id))
        await tx.execute(FILL, account_id, posts, screening_id, ids)
    connection = await connect(instance.db.dsn)
    await connection.execute("ANALYZE")
    await connection.close()
    return account_id


async def bring_back(instance: Instance, path: Path, posts: int) -> dict[str, Any]:
    """The archive, brought along by another member as if it were of another instance."""
    from parley.social.archives.import_jobs import read_archive, take_rows
    from parley.social.archives.importing import begin_archive_import, confirm_import
    from parley.social.archives.reads import get_import, get_owner
    from parley.social.sessions.actions import create_member

    async with instance.db.write() as tx:
        account_id = await create_member(
            tx, instance.settings, username="carol", email="carol@example.org", password=new_token()
        )
    async with instance.db.read() as tx:
        owner = await get_owner(tx, instance.settings, account_id)
    assert owner is not None
    begun = await begin_archive_import(instance, owner, path)
    started = time.perf_counter()
    await read_archive(instance, {"import_id": begun.id})
    reading = time.perf_counter() - started
    async with instance.db.write() as tx:
        await confirm_import(tx, owner, begun.id)
    started, runs = time.perf_counter(), 0
    while runs * 25 < posts and await take_rows(instance, begun.id):
        runs += 1
    taking = time.perf_counter() - started
    async with instance.db.read() as tx:
        done = await get_import(tx, owner, begun.id)
    return {
        "posts_read_per_second": round(done.total / reading),
        "posts_taken": done.done,
        "posts_not_taken": done.failed,
        "posts_taken_per_second": round((done.done + done.failed) / taking),
    }


def disguise(path: Path, domain: str) -> Path:
    """The same archive without its seal, and of another host: this instance takes no other archive of its own."""
    other = path.with_name("other.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as target:
        for name in ("actor.json", "outbox.json"):
            target.writestr(name, source.read(name).replace(f"http://{domain}".encode(), b"https://old.example"))
    return other


async def measure(posts: int, pictures: int, size: int, taken: int) -> dict[str, Any]:
    """Every figure."""
    from parley.social.archives.exporting import write_archive
    from parley.social.archives.reads import get_owner
    from parley.social.policies.live import load_live

    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        folder = Path(name)
        settings = Settings(data_dir=folder / "data", domain="localhost:3000", rate_limits="off", read_pictures=False)
        server = EmbeddedPostgres(settings)
        server.start()
        try:
            await migrate(server.dsn)
            async with open_instance(settings, server.dsn) as instance:
                await load_live(instance.db, settings)
                account_id = await fill(instance, posts, pictures, size)
                async with instance.db.read() as tx:
                    owner = await get_owner(tx, settings, account_id)
                assert owner is not None
                before, started = peak(), time.perf_counter()
                await write_archive(instance, owner, folder / "archive.zip")
                seconds = time.perf_counter() - started
                result = {
                    "posts": posts,
                    "files_mib": round(pictures * size / 2**20),
                    "archive_mib": round((folder / "archive.zip").stat().st_size / 2**20, 1),
                    "export_seconds": round(seconds, 1),
                    "posts_exported_per_second": round(posts / seconds),
                    "memory_before_mib": round(before),
                    "memory_peak_mib": round(peak()),
                }
                return result | await bring_back(instance, disguise(folder / "archive.zip", "localhost:3000"), taken)
        finally:
            server.stop()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--size", type=int, default=300_000, help="bytes of each picture")
    parser.add_argument("--taken", type=int, default=1000, help="how many posts are brought back")
    options = parser.parse_args()
    for key, value in asyncio.run(measure(options.posts, options.pictures, options.size, options.taken)).items():
        print(f"{key:28} {value:>12,}")


if __name__ == "__main__":
    main()
