"""`parley snapshot drill`: a snapshot restored to a scratch place, started, signed in to, and compared."""

from __future__ import annotations

import asyncio
import html
import re
import secrets
from typing import Annotated, Any

import typer

from parley.commands.judging import progress_bar
from parley.commands.running import AsJson, database, fail, settings_or_exit, show
from parley.commands.snapshot import From, Key, Name, Signer, own_signer
from parley.hosting.errors import SnapshotError
from parley.kit.db import Database
from parley.kit.settings import Settings

POSTS = 20
"""How many posts are read, the newest public ones."""


class Member:
    """Somebody who signs in to the restored instance and reads. Nothing of it is in the real one."""

    def __init__(self) -> None:
        self._name = f"drill_{secrets.token_hex(6)}"
        self._password = secrets.token_urlsafe(24)
        self._cookies: dict[str, str] = {}
        self._token = ""
        self._host = ""

    async def sign_up(self, dsn: str, scratch: Settings) -> None:
        """Make an account and a token for apps."""
        from parley.social.sessions.actions import create_member, create_token_for

        self._host = scratch.local_domain
        db = Database(dsn, connections=2)
        await db.open()
        try:
            async with db.write() as tx:
                email = f"{self._name}@drill.invalid"
                await create_member(tx, scratch, username=self._name, email=email, password=self._password)
                self._token = await create_token_for(tx, self._name, ["read"], app_name="Drill")
        finally:
            await db.close()

    async def sign_in(self, base: str) -> None:
        """Fill in the form of the sign-in page."""
        form = await self._get(base, "/sign-in")
        csrf = re.search(r'name="csrf" value="([^"]+)"', form.text)
        if csrf is None:
            raise SnapshotError("The restored instance shows no form to sign in.")
        values = {"login": self._name, "password": self._password, "csrf": html.unescape(csrf[1])}
        answer = await self._send(base, "POST", "/sign-in", data=values)
        if answer.status_code not in (302, 303):
            raise SnapshotError(f"Signing in to the restored instance was answered with {answer.status_code}.")

    async def look_around(self, base: str) -> dict[str, Any]:
        """Home, the account, the newest posts; and a post of one's own, which must be refused for now."""
        home = await self._get(base, "/")
        if self._name not in home.text:
            raise SnapshotError("The restored instance does not know who signed in.")
        with_token = {"Authorization": f"Bearer {self._token}"}
        me = await self._get(base, "/api/v1/accounts/verify_credentials", headers=with_token)
        if me.json().get("username") != self._name:
            raise SnapshotError("A token of the restored instance is another's.")
        posts = (await self._get(base, f"/api/v1/timelines/public?local=true&limit={POSTS}", headers=with_token)).json()
        for post in posts:
            again = await self._get(base, f"/api/v1/statuses/{post['id']}", headers=with_token)
            if again.json()["content"] != post["content"]:
                raise SnapshotError(f"The post {post['id']} is not the same twice.")
        refused = await self._send(base, "POST", "/api/v1/statuses", data={"status": "x"}, headers=with_token)
        if refused.status_code not in (403, 503):
            raise SnapshotError(f"A write to the read-only instance was answered with {refused.status_code}.")
        return {"signed_in": True, "posts": len(posts)}

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
    """Restore a snapshot to a scratch place, start it read-only, sign in, compare, and say how long that took.

    It uses an embedded database and a free port, sends no mail, runs no jobs, and removes everything again.
    """
    from parley.hosting.drills import Drilled, drill_snapshot
    from parley.hosting.sealing import read_identity

    settings = settings_or_exit()

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
        f"files compared, signed in, {done.visited['posts']} posts read.",
    )


def _record(settings: Settings, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
    """Where an instance lives here, its operator's page shows the result."""
    from parley.hosting.records import note_record

    if not settings.database_url and not settings.path("postgres").exists():
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
