"""`parley snapshot drill`: a snapshot restored to a scratch place, started, signed in to, and compared."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from parley.commands.judging import progress_bar
from parley.commands.running import AsJson, database, fail, settings_or_exit, show
from parley.commands.snapshot import From, Key, Name, Signer, own_signer
from parley.hosting.errors import SnapshotError
from parley.kit.db import Database
from parley.kit.settings import Settings

if TYPE_CHECKING:
    from parley.hosting.drills import Expected

POSTS = 20
"""How many posts are read, the newest public ones."""

MEDIA_POSTS = 40
MEDIA = 20
"""How many files are fetched, at random from the newest public posts with some."""


class Member:
    """Somebody who signs in to the restored instance and reads. Nothing of it is in the real one."""

    def __init__(self) -> None:
        self._name = f"drill_{secrets.token_hex(6)}"
        self._password = secrets.token_urlsafe(24)
        self._cookies: dict[str, str] = {}
        self._token = ""
        self._host = ""

    async def sign_in(self, dsn: str, scratch: Settings) -> None:
        """Make an account and a token for apps, and sign a browser in as the form does: with the password.

        What the app writes when it starts is written here, too, for it will not be able to.
        """
        from parley.kit.instance import open_instance
        from parley.social.policies.live import load_live
        from parley.social.sessions.actions import create_member, create_token_for
        from parley.social.sessions.sign_in import open_session, start_sign_in
        from parley.web.visits import cookie_name

        self._host = scratch.local_domain
        async with open_instance(scratch, dsn) as instance:
            await load_live(instance.db, scratch, starting=True)
            async with instance.db.write() as tx:
                email = f"{self._name}@drill.invalid"
                await create_member(tx, scratch, username=self._name, email=email, password=self._password)
                self._token = await create_token_for(tx, self._name, ["read"], app_name="Drill")
            step = await start_sign_in(instance, self._name, self._password, "127.0.0.1")
            if step.account_id is None:
                raise SnapshotError("The restored instance asks a member without a second step for one.")
            async with instance.db.write() as tx:
                session = await open_session(tx, step.account_id, "Drill", "127.0.0.1", step.method)
            self._cookies[cookie_name(instance, "session")] = session

    async def look_around(self, base: str, expected: Expected) -> dict[str, Any]:
        """Home, the account, the key, the newest posts and files; and a post of one's own, which must be refused."""
        home = await self._get(base, "/")
        if self._name not in home.text:
            raise SnapshotError("The restored instance does not know who signed in.")
        with_token = {"Authorization": f"Bearer {self._token}"}
        me = await self._get(base, "/api/v1/accounts/verify_credentials", headers=with_token)
        if me.json().get("username") != self._name:
            raise SnapshotError("A token of the restored instance is another's.")
        key = base64.b64decode((await self._get(base, "/api/abuse/v1/key")).json()["key"]).hex()
        if key != expected.signer:
            raise SnapshotError("The restored instance shows outsiders another key than the one that it has.")
        posts = (await self._get(base, f"/api/v1/timelines/public?local=true&limit={POSTS}", headers=with_token)).json()
        for post in posts:
            again = await self._get(base, f"/api/v1/statuses/{post['id']}", headers=with_token)
            if again.json()["content"] != post["content"]:
                raise SnapshotError(f"The post {post['id']} is not the same twice.")
        media = await self._look_at_media(base, expected)
        refused = await self._send(base, "POST", "/api/v1/statuses", data={"status": "x"}, headers=with_token)
        if refused.status_code not in (403, 503):
            raise SnapshotError(f"A write to the read-only instance was answered with {refused.status_code}.")
        return {"signed_in": True, "posts": len(posts), "media": media}

    async def _look_at_media(self, base: str, expected: Expected) -> int:
        """Pictures and videos of the newest posts, some at random: each must be a file of the snapshot. How many."""
        with_token = {"Authorization": f"Bearer {self._token}"}
        path = f"/api/v1/timelines/public?local=true&only_media=true&limit={MEDIA_POSTS}"
        posts = (await self._get(base, path, headers=with_token)).json()
        found = [urlsplit(one["url"]) for post in posts for one in post["media_attachments"] if one.get("url")]
        sample = secrets.SystemRandom().sample(found, min(MEDIA, len(found)))
        for where in sample:
            answer = await self._get(base, where._replace(scheme="", netloc="").geturl())
            if hashlib.sha256(answer.content).hexdigest() not in expected.files:
                raise SnapshotError(f"{where.path} of the restored instance is no file of the snapshot.")
        return len(sample)

    async def _get(self, base: str, path: str, headers: dict[str, str] | None = None) -> Any:
        answer = await self._send(base, "GET", path, headers=headers)
        if answer.status_code != 200:
            raise SnapshotError(f"{path} of the restored instance was answered with {answer.status_code}.")
        return answer

    async def _send(
        self, base: str, method: str, path: str, *, data: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """One request. Cookies are kept by hand: those of a real domain are for https, this is this very machine."""
        import httpx

        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"Host": self._host, **({"Cookie": cookie} if cookie else {}), **(headers or {})}
        if method == "POST" and "Authorization" not in sent:
            sent["Origin"] = ("http" if self._host.startswith("localhost") else "https") + f"://{self._host}"
        async with httpx.AsyncClient(base_url=base, timeout=30) as client:
            answer = await client.request(method, path, data=data, headers=sent)
        for value in answer.headers.get_list("set-cookie"):
            name, _, rest = value.partition("=")
            self._cookies[name] = rest.split(";")[0]
        return answer


def drill(
    source: From,
    recovery_key: Key,
    name: Name = "",
    signer: Signer = "",
    record: Annotated[bool, typer.Option(help="Note the result in this instance's database.")] = True,
    as_json: AsJson = False,
) -> None:
    """Restore a snapshot to a scratch place, sign in, start it read-only, compare, and say how long that took.

    Signing in needs writes, so it comes first; the app that is started and read can never write. The drill
    uses an embedded database and a free port, sends no mail, runs no jobs, and removes everything again.
    """
    from parley.hosting.drills import Drilled, drill_snapshot
    from parley.hosting.sealing import read_identity

    settings = settings_or_exit(unfinished=True)

    async def run(progress: Any) -> Drilled:
        return await drill_snapshot(
            settings,
            source,
            identity=read_identity(recovery_key),
            visitor=Member(),
            name=name or None,
            signer=signer or own_signer(settings),
            progress=progress,
        )

    with progress_bar("restoring", as_json) as progress:
        try:
            done = asyncio.run(run(progress))
        except SnapshotError as error:
            if record:
                _record(settings, False, 0.0, {"from": source, "error": str(error)})
            raise fail(str(error)) from error
    import msgspec

    result = {**msgspec.to_builtins(done), "from": source, "ok": True}
    if record:
        _record(settings, True, done.recovery_seconds, result)
    show(
        result,
        as_json,
        f"The drill went well: {done.snapshot} was restored in {done.restore_seconds:.1f} s and answered "
        f"{done.start_seconds:.1f} s after it was started: recovery takes {done.recovery_seconds:.1f} s on this "
        f"machine.\n{done.rows:,} rows in {done.tables} tables counted, {done.files_compared:,} of {done.files:,} "
        f"files compared, signed by {done.signer[:16]}... as the instance signs, signed in, started read-only, "
        f"{done.visited['posts']} posts and {done.visited['media']} pictures and videos read.",
    )


def _record(settings: Settings, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
    """Where an instance lives here, its operator's page shows the result."""
    from parley.hosting.records import note_record
    from parley.hosting.unfinished import read_unfinished

    if read_unfinished(settings) or not (settings.database_url or settings.path("postgres").exists()):
        return

    async def insert(dsn: str) -> None:
        db = Database(dsn, connections=2)
        await db.open()
        try:
            async with db.write(local=True) as tx:
                await note_record(tx, "drill", detail, ok=ok, seconds=seconds)
        finally:
            await db.close()

    with database(settings) as dsn:
        asyncio.run(insert(dsn))
