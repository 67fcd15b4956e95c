"""Two whole instances on this machine, one the standby of the other, for tests of what hosts do with each other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.views import HostStatus
from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from tests.live import LiveServer, free_port, kill_at_once, list_family

T = TypeVar("T")

DOMAIN = "two-hosts.localhost"


class LinkedHost(LiveServer):
    """A live instance that is one host of several."""

    def __init__(self, folder: Path, name: str, **environment: str) -> None:
        self.name = name
        self.link = f"127.0.0.1:{free_port()}"
        more = {"PARLEY_LINK_LISTEN": self.link, "PARLEY_HOST_NAME": name, "PARLEY_WEB_PROCESSES": "1", **environment}
        super().__init__(folder, **{"PARLEY_DOMAIN": DOMAIN, **more})

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever it ends with."""
        command = [sys.executable, "-m", "parley.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=False
        )

    def launch(self) -> None:
        """Start the processes, and wait until the agent has said what this host is."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "parley.cli", "up"],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.wait(lambda one: one.database_up, "answering", 90)

    def kill(self) -> None:
        """kill -9 of every process of this host, at one moment."""
        kill_at_once(self.family())
        if self.process is not None:
            self.process.wait(10)

    def family(self) -> list[psutil.Process]:
        """Every process of this host, its database's too."""
        return list_family(self.folder)

    def agent(self) -> psutil.Process:
        """The host agent's process."""
        return next(one for one in self.family() if "parley.agent" in one.cmdline())

    def ask(self, question: Callable[[HostClient], Awaitable[T]], name: str = "") -> T:
        """Ask this host's agent (or, over the link, that of another) as a command on this machine would."""

        async def wait() -> T:
            async with open_host(load_settings(self.environment), name or self.name) as host:
                return await question(host)

        return asyncio.run(wait())

    def status(self) -> HostStatus:
        """What this host says of itself."""
        return self.ask(lambda me: me.status())

    def wait(self, wanted: Callable[[HostStatus], bool], what: str, patience: float = 40) -> HostStatus:
        """Wait until the host's status is as wanted."""
        deadline = time.monotonic() + patience
        said: Any = None
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"parley up of {self.name} ended:\n{self.log.read_text()[-4000:]}")
            try:
                said = self.status()
                if wanted(said):
                    return said
            except HostError as error:
                said = error
            time.sleep(0.1)
        raise AssertionError(f"{self.name} is not {what}: {said}\n{self.log.read_text()[-4000:]}")

    def wait_streaming(self) -> HostStatus:
        """Wait until this host follows another and has everything."""
        return self.wait(lambda one: one.role == "standby" and one.streaming, "streaming")

    def post(self, token: str, text: str, *, patience: float = 30) -> str:
        """Post until it is taken; returns the status's id."""
        deadline = time.monotonic() + patience
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": text, "Host": DOMAIN}
        said = ""
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.post(
                    f"http://127.0.0.1:{self.port}/api/v1/statuses", json={"status": text}, headers=headers, timeout=20
                )
                if answer.status_code == 200:
                    return str(answer.json()["id"])
                said = f"{answer.status_code} {answer.text[:300]}"
            time.sleep(0.2)
        raise AssertionError(f"{self.name} took no post: {said}\n{self.log.read_text()[-3000:]}")

    def has(self, status_id: str) -> bool:
        """Whether this host's own database has a status."""
        return bool(self.sql(f"SELECT count(*) FROM statuses WHERE id = {int(status_id)}") == 1)

    def sql(self, query: str) -> Any:
        """One value from this host's own database."""

        async def read() -> Any:
            connection = await connect(EmbeddedPostgres(load_settings(self.environment)).dsn)
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        return asyncio.run(read())


def join(primary: LinkedHost, standby: LinkedHost, *options: str) -> None:
    """Make one host the standby of the other by the real commands, and start it."""
    added = primary.parley("host", "add", standby.name, "--link", standby.link, "--addresses", "203.0.113.9")
    done = standby.run("standby", "init", added["code"], *options, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ready"]
    standby.launch()
    standby.wait_streaming()


@contextlib.contextmanager
def two_hosts(**environment: str) -> Iterator[tuple[LinkedHost, LinkedHost]]:
    """A started host `a`, and a machine that is nothing yet and could become `b`."""
    folder = Path(tempfile.mkdtemp(prefix="parley-hosts-"))
    folder.chmod(0o755)
    hosts = []
    for name in ("a", "b"):
        (folder / name).mkdir(mode=0o755)
        hosts.append(LinkedHost(folder / name, name, **environment))
    a, b = hosts
    try:
        a.start()
        yield a, b
    finally:
        for one in hosts:
            one.kill()
        shutil.rmtree(folder, ignore_errors=True)
