"""The test world: a real PostgreSQL, a copy of the migrated database for each test, and a named cast."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import hypothesis
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.db import connect
from parley.kit.instance import Instance, open_instance
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from tests.live import LiveServer

# No test depends on how fast the machine is just now: examples have no deadline.
hypothesis.settings.register_profile("parley", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("parley")

PASSWORD = "correct horse battery staple"


THROWN_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "'20GB'",
    "checkpoint_timeout": "'1h'",
}
"""Settings of a server whose data nobody will miss: copying a database takes half the time."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of an embedded PostgreSQL of this test run's own."""
    folder = Path(tempfile.mkdtemp(prefix="parley-test-"))
    server = EmbeddedPostgres(Settings(data_dir=folder))
    server.start()

    async def relax() -> None:
        connection = await connect(server.dsn)
        for name, value in THROWN_AWAY.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = {value}")
        await connection.close()

    asyncio.run(relax())
    server.stop()
    server.start()
    yield server.dsn
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _database(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def template(postgres: str) -> str:
    """The name of a migrated, empty database that tests copy."""

    async def make() -> None:
        connection = await connect(postgres)
        await connection.execute("CREATE DATABASE parley_template")
        await connection.close()
        await migrate(_database(postgres, "parley_template"))

    asyncio.run(make())
    return "parley_template"


EMPTY_EVERYTHING = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- no triggers, no foreign keys: everything goes
    FOR name IN
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND relname <> 'parley_meta'
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO filled;
        IF filled THEN
            EXECUTE 'DELETE FROM ' || name;
        END IF;
    END LOOP;
END
$$
"""

# Changes when a test changes the schema: such a database is not used again.
SCHEMA = """
    SELECT concat_ws(' ',
        (SELECT count(*) || ':' || sum(hashtext(oid::regclass::text)) FROM pg_class WHERE oid >= 16384),
        (SELECT count(*) || ':' || sum(xmin::text::bigint) FROM pg_attribute WHERE attrelid >= 16384),
        (SELECT count(*) || ':' || sum(xmin::text::bigint) FROM pg_trigger),
        (SELECT count(*) || ':' || sum(xmin::text::bigint) FROM pg_proc WHERE oid >= 16384),
        (SELECT count(*) FROM pg_constraint), (SELECT schema_version FROM parley_meta),
        (SELECT count(*) FROM pg_db_role_setting))
"""

LIST_TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'parley_meta'
"""

_seeds: dict[str, list[Any]] = {}
"""Rows that migrations put into the template, by table: they are there again in every emptied database."""


async def note_seeds(connection: Any) -> None:
    """Remember what is in a fresh copy of the template."""
    for (table,) in await connection.fetch(LIST_TABLES):
        rows = await connection.fetchval(f"SELECT json_agg(t) FROM {table} t")
        if rows:
            _seeds[table] = rows


async def sow(connection: Any) -> None:
    """Put the template's rows back."""
    for table, rows in _seeds.items():
        await connection.execute(
            f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::{table}, $1)",
            rows,
        )


_idle_databases: list[tuple[str, str]] = []
"""Databases that were emptied after use, with the state of their schema: copying the template takes far longer."""


@asynccontextmanager
async def copied_database(postgres: str, template: str) -> AsyncIterator[str]:
    """A copy of the template for one test: a fresh one, or one that an earlier test used and that was emptied."""
    if _idle_databases:
        name, schema = _idle_databases.pop()
    else:
        name = f"test_{secrets.token_hex(6)}"
        admin = await connect(postgres)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        await admin.close()
        inside = await connect(_database(postgres, name))
        schema = await inside.fetchval(SCHEMA)
        await note_seeds(inside)
        await inside.close()
    try:
        yield _database(postgres, name)
    finally:
        inside = await connect(_database(postgres, name))
        await inside.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            name,
        )
        await inside.execute(EMPTY_EVERYTHING)
        await sow(inside)
        unchanged = await inside.fetchval(SCHEMA) == schema
        await inside.close()
        if unchanged:
            _idle_databases.append((name, schema))


@contextmanager
def own_database(postgres: str) -> Iterator[str]:
    """An empty database that is not migrated, for tests that start whole instances."""
    name = f"test_{secrets.token_hex(6)}"

    async def run(statement: str) -> None:
        connection = await connect(postgres)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run(f"CREATE DATABASE {name}"))
    try:
        yield _database(postgres, name)
    finally:
        asyncio.run(run(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def dsn(postgres: str, template: str) -> AsyncIterator[str]:
    """The address of this test's own database."""
    async with copied_database(postgres, template) as address:
        yield address


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of the world; a test module may override this fixture."""
    return Settings(
        name="Test",
        domain="localhost:3000",
        data_dir=tmp_path / "data",
        email_confirmation=False,
        rate_limits="off",
        read_pictures=False,
        database_connections=5,
    )


class World:
    """One application over one database, and the people in it. Everything is made by the real actions."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.ids: dict[str, int] = {}
        self._clients: dict[tuple[str, str], httpx.AsyncClient] = {}
        self.anonymous = self._http()

    @property
    def instance(self) -> Instance:
        """The application's own instance."""
        return self.app.state.instance

    def _http(self, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=self.settings.base_url, headers=headers)

    def browser(self) -> httpx.AsyncClient:
        """A client with a cookie jar of its own, for the web door."""
        return self._http()

    async def account(self, name: str, *, role: str = "member", age_days: float = 30, **profile: Any) -> int:
        """A member who may post at once; `age_days` makes the account older than it is. Returns its id."""
        from parley.social.sessions.actions import create_member

        if name in self.ids:
            return self.ids[name]
        async with self.instance.db.write() as tx:
            account_id = await create_member(
                tx, self.settings, username=name, email=f"{name}@example.org", password=PASSWORD, role=role
            )
            await tx.execute(
                "UPDATE accounts SET created_at = now() - make_interval(secs => $2) WHERE id = $1",
                account_id,
                age_days * 86400,
            )
        self.ids[name] = account_id
        if profile:
            client = await self.client(name)
            answer = await client.patch("/api/v1/accounts/update_credentials", json=profile)
            assert answer.status_code == 200, answer.text
        return account_id

    async def client(self, name: str, *, scopes: str = "read write follow push profile") -> httpx.AsyncClient:
        """An HTTP client that holds a real token of `name` (made if there is no such account yet)."""
        from parley.social.sessions.actions import create_token

        if (name, scopes) not in self._clients:
            account_id = await self.account(name)
            async with self.instance.db.write() as tx:
                token = await create_token(tx, account_id, scopes.split(), app_name="Test app")
            self._clients[name, scopes] = self._http(authorization=f"Bearer {token}")
        return self._clients[name, scopes]

    async def post(self, name: str, text: str, **params: Any) -> dict[str, Any]:
        """`name` posts `text`; returns the status as the API shows it."""
        client = await self.client(name)
        answer = await client.post("/api/v1/statuses", json={"status": text, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def follow(self, name: str, target: str) -> None:
        """`name` follows `target`."""
        target_id = await self.account(target)
        answer = await (await self.client(name)).post(f"/api/v1/accounts/{target_id}/follow")
        assert answer.status_code == 200, answer.text

    async def run_jobs(self) -> int:
        """Run everything that is due, here and now; an error in a job fails the test."""
        from parley.worker import run_due_jobs

        return await run_due_jobs(self.instance)

    @contextmanager
    def queries(self) -> Iterator[list[str]]:
        """Collect the SQL that the application runs inside the block.

        What the driver asks the first time that a connection meets a type of ours is not the application's.
        """
        with self.instance.db.watch_queries() as seen:
            yield seen
        seen[:] = [query for query in seen if not any(own in query for own in _OF_THE_DRIVER)]

    async def close(self) -> None:
        """Close every client."""
        for client in (*self._clients.values(), self.anonymous):
            await client.aclose()


_OF_THE_DRIVER = ("current_setting('jit')", "typeinfo_tree")

_idle_apps: list[Any] = []
"""Applications that no world uses now. Building one takes longer than most tests, and it holds nothing but routes."""


@contextmanager
def _within_one_window(settings: Settings) -> Iterator[None]:
    """Limits count in windows, and each begins at a full five minutes: no test may run across such a moment."""
    left = timedelta(seconds=300 - now().timestamp() % 300)
    near = settings.rate_limits == "on" and left < timedelta(seconds=60)
    with time_travel(left if near else timedelta()):
        yield


@asynccontextmanager
async def open_world(settings: Settings, dsn: str) -> AsyncIterator[World]:
    """A world with its own instance; a test that needs other settings, or two processes, opens more."""
    from parley import screening
    from parley.social.policies import caps

    screening.use_policy(settings.policy_dir or None)
    caps.forget()  # or rules would reach their caps by what other tests did
    with _within_one_window(settings):
        async with _open_world(settings, dsn) as world:
            yield world


@asynccontextmanager
async def _open_world(settings: Settings, dsn: str) -> AsyncIterator[World]:
    from parley.main import create_app

    app = _idle_apps.pop() if _idle_apps else create_app(settings, dsn)
    async with open_instance(settings, dsn) as instance:
        app.state.instance = instance
        world = World(app, settings)
        try:
            yield world
        finally:
            await world.close()
            for limiter in ("request_limiter", "page_limiter"):
                if limiter in app.state:
                    del app.state[limiter]  # or the next test would go on counting
            _idle_apps.append(app)


@pytest.fixture
async def world(settings: Settings, dsn: str) -> AsyncIterator[World]:
    """The world of most tests."""
    async with open_world(settings, dsn) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """argon2id with small parameters: tests make hundreds of accounts. One test checks the real ones."""
    from argon2 import PasswordHasher

    from parley.social.sessions import passwords

    passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    """A whole instance in processes of its own, as `make run` starts it, for real clients and browsers."""
    with LiveServer.started() as server:
        yield server
