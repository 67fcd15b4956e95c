"""Drives the command-line client `toot` as a person at a terminal would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.clients.browser import let_app_in


class Toot:
    """One person's toot, with a configuration folder of its own."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.base_url = base_url
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "TERM": "dumb",
            "COLUMNS": "200",
        }

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "toot", *arguments]

    def sign_in(self, username: str) -> None:
        """`toot login`: it prints an address, a browser lets it in, and its code is typed back."""
        process = subprocess.Popen(
            self._command("login", "--instance", self.base_url),
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        try:
            said = ""
            while not (found := re.search(r"^(http\S+/oauth/authorize\S*)\s", said, re.MULTILINE)):
                line = process.stdout.readline()
                assert line, f"toot login ended: {said}"
                said += line
            code, _ = let_app_in(found.group(1), username)
            said, _ = process.communicate(f"n\n{code}\n", timeout=60)
            assert process.returncode == 0, said
            assert "Successfully logged in" in said
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, *arguments: str) -> str:
        """Run a command; returns what it printed. Fails with its output when toot does."""
        result = self.try_to(*arguments)
        assert result.returncode == 0, f"toot {' '.join(arguments)}:\n{result.stdout}{result.stderr}"
        return result.stdout

    def try_to(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever comes of it."""
        return subprocess.run(
            self._command(*arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and decode the last line that it printed."""
        return json.loads(self.run(*arguments, "--json").strip().splitlines()[-1])
