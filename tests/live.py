"""A live instance for tests: `parley up` in its own processes, folder and port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

PASSWORD = "correct horse battery staple"


def free_port() -> int:
    """A port of the loopback address that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """A running instance: its address, and its command line."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
            "PARLEY_DATA_DIR": str(folder),
            "PARLEY_DOMAIN": f"localhost:{self.port}",
            "PARLEY_PORT": str(self.port),
            "PARLEY_REGISTRATIONS": "open",
            "PARLEY_EMAIL_CONFIRMATION": "false",
            "PARLEY_RATE_LIMITS": "off",
            "PARLEY_READ_PICTURES": "no",
            "PARLEY_CONFIG": "",
            **environment,
        }
        del self.environment["PARLEY_CONFIG"]
        self.process: subprocess.Popen[str] | None = None
        self.log = folder / "server.log"

    @classmethod
    @contextmanager
    def started(cls, **environment: str) -> Iterator[LiveServer]:
        """Start an instance in a fresh folder; stop it and remove the folder at the end."""
        folder = Path(tempfile.mkdtemp(prefix="parley-live-"))
        server = cls(folder, **environment)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, *, patience: float = 60, prefix: tuple[str, ...] = ()) -> float:
        """Start the processes and wait until /health answers; returns the seconds that took.

        `prefix` is a program that starts them, such as one that changes the user.
        """
        begun = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "parley.cli", "up"],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        while time.monotonic() - begun < patience:
            if self.process.poll() is not None:
                raise RuntimeError(f"parley up ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if httpx.get(f"{self.base_url}/health", timeout=2).status_code == 200:
                    return time.monotonic() - begun
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"parley up did not become healthy:\n{self.log.read_text()}")

    def stop(self) -> int:
        """Stop it as Ctrl-C would; returns the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def parley(self, *arguments: str) -> Any:
        """Run `parley ... --json` against this instance; returns the decoded answer."""
        result = subprocess.run(
            [sys.executable, "-m", "parley.cli", *arguments, "--json"],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"parley {' '.join(arguments)} failed:\n{result.stdout}{result.stderr}")
        return json.loads(result.stdout)

    def account(self, name: str, *, role: str = "member") -> Any:
        """Make an account that may sign in at once with PASSWORD."""
        return self.parley(
            *(
                "account",
                "create",
                name,
                "--email",
                f"{name}@example.org",
                "--password",
                PASSWORD,
                "--role",
                role,
            )
        )

    def token(self, name: str, *, scopes: str = "read write follow push") -> str:
        """An access token of `name`."""
        return str(self.parley("token", "create", name, "--scopes", scopes, "--app", "Test app")["access_token"])


def list_family(folder: Path) -> list[psutil.Process]:
    """Every process of the instance in this data folder, its database's included, and no other."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mine = process.environ().get("PARLEY_DATA_DIR") == str(folder)
            if process.status() != psutil.STATUS_ZOMBIE and (mine or process.cwd().startswith(f"{folder}/")):
                found.append(process)
    return found


def kill_at_once(processes: list[psutil.Process]) -> None:
    """kill -9: all are frozen first, so that it is one moment for all of them."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    psutil.wait_procs(processes, timeout=10)
