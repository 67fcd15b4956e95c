"""The processes of a running instance: HTTP workers (Granian), the job worker, and their orderly end.

`python -m parley.kit.processes` is what `parley up` and `parley serve` turn into once all is prepared: a small
process that watches the others. What every web process needs is loaded here once, and shared by the fork; no connection
may be opened here, for a fork would share that too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO, Any

import psutil

from parley.kit.gate import Gate, State, gate_of
from parley.kit.metrics import share_metrics
from parley.kit.settings import Settings, load_settings

log = logging.getLogger("parley")

DSN = "PARLEY_INTERNAL_DSN"
OWNS_DATABASE = "PARLEY_INTERNAL_OWNS_DATABASE"
RUN_WORKER = "PARLEY_INTERNAL_RUN_WORKER"
LOCK_FD = "PARLEY_INTERNAL_LOCK"
MESSAGE = "PARLEY_INTERNAL_MESSAGE"
WATCHER = "PARLEY_INTERNAL_WATCHER"
AGENT = "PARLEY_INTERNAL_AGENT"
"""Process id of the host agent that was started before, on a host that has one."""
AGENT_FIRST = "PARLEY_INTERNAL_AGENT_FIRST"
"""Set for the agent that `parley up` starts itself, and not for one that is started again later."""

_PR_SET_PDEATHSIG = 1


GATE_EVERY = 0.1
"""Seconds between two looks at a gate that is not open."""

AFTER_OPENING = 1.5
"""Seconds from a gate that opens to the start of the worker: longer than another host takes to leave its jobs."""


class AlreadyRunning(Exception):
    """The data folder or the port is not to be had, mostly because another Parley has it; the text says which."""


def lock_data_folder(settings: Settings) -> IO[str]:
    """Hold the data folder for this process and its children; raises AlreadyRunning.

    The kernel lets go when the process ends, however it ends.
    """
    # Others may pass, as the database's user must when root starts it, but not look around.
    try:
        settings.path().mkdir(mode=0o711, parents=True, exist_ok=True)
        file = settings.path("parley.lock").open("a+")
    except OSError as error:
        raise AlreadyRunning(
            f"The data folder {settings.path()} cannot be written ({error.strerror}). Give this user the right to, or "
            "set PARLEY_DATA_DIR to another folder."
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        raise AlreadyRunning(
            f"Another Parley (process {file.read().strip() or 'unknown'}) is using {settings.path()}. Stop it, or set "
            "PARLEY_DATA_DIR to another folder."
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_port(settings: Settings) -> None:
    """Raise AlreadyRunning when the port cannot be listened on, before anything is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            not_ours = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            advice = (
                "Set PARLEY_HOST to an address of this machine, or 0.0.0.0 for all."
                if not_ours
                else "Set PARLEY_PORT to another."
            )
            raise AlreadyRunning(
                f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}). {advice}"
            ) from error


def end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies (Linux), so that a kill -9 leaves no orphans.

    Killed and not asked to end: a polite signal can be missed, and nothing here is lost by a kill.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.environ.get(WATCHER, str(os.getppid())) != str(os.getppid()):
            os._exit(1)  # the watcher died before we asked: the kernel will not tell us any more


def become_server(
    dsn: str, *, run_worker: bool, owns_database: bool, lock: IO[str] | None, message: str, agent: int | None = None
) -> None:
    """Replace this process by the watching one, which keeps its children. Does not return."""
    environment = {**os.environ, DSN: dsn, MESSAGE: message}
    environment[RUN_WORKER] = "1" if run_worker else ""
    environment[OWNS_DATABASE] = "1" if owns_database else ""
    environment[AGENT] = str(agent) if agent else ""
    if lock is not None:
        os.set_inheritable(lock.fileno(), True)
        environment[LOCK_FD] = str(lock.fileno())
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "parley.kit.processes"], environment)


class WorkerProcess:
    """Keeps one `python -m parley.worker` running while this host may write: started again, more and more slowly, when
    it dies."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start it and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """End it; jobs in progress get ten seconds to finish, and are run again later otherwise."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._thread.join(2)

    def _watch(self) -> None:
        delay, was_closed = 0.5, False
        while not self._stopping.is_set():
            if self._gate.state is not State.OPEN:
                was_closed = True
                self._stopping.wait(GATE_EVERY)
                continue
            if was_closed:  # people have waited at the gate: they come first, and a worker that starts needs a core
                delay, was_closed = 0.5, False
                self._stopping.wait(AFTER_OPENING)
                continue
            started = time.monotonic()
            # One arena: what its threads used while it started is used again, not kept beside the rest.
            environment = {"MALLOC_ARENA_MAX": "1", **os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "parley.worker"], start_new_session=True, env=environment
            )
            code = self._process.wait()
            if self._stopping.is_set():
                return
            if code == 0 and self._gate.has_agent:
                was_closed = True  # if only for a moment: it has left, and is not broken
                continue
            delay = 0.5 if time.monotonic() - started > 60 else min(delay * 2, 30)
            log.error("the worker ended with code %s; starting it again in %.1f s", code, delay)
            self._stopping.wait(delay)


def start_agent(*, first: bool) -> subprocess.Popen[bytes]:
    """Start the host agent. Call it in a thread that lives as long as it is to live."""
    # Two arenas: its threads come and go, and each arena keeps memory that was used once.
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ, AGENT_FIRST: "1" if first else ""}
    return subprocess.Popen([sys.executable, "-m", "parley.agent"], start_new_session=True, env=environment)


class AgentProcess:
    """Keeps the host agent running: the one that was started before, or else another in its place."""

    def __init__(self, pid: int) -> None:
        self._process: psutil.Process | subprocess.Popen[bytes] | None
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Watch it."""
        self._thread.start()

    def leave_alone(self) -> None:
        """The instance is ending: if it dies now, it stays dead."""
        self._stopping.set()

    def stop(self) -> None:
        """End it, after the database: what that sends to other hosts goes through it."""
        self._stopping.set()
        process = self._process
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
                try:
                    process.wait(5)
                except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                    process.kill()
                    process.wait()
        self._thread.join(2)

    def _watch(self) -> None:
        delay = 0.25
        while True:
            started = time.monotonic()
            code = self._process.wait() if self._process is not None else None
            if self._stopping.is_set():
                return
            delay = 0.25 if time.monotonic() - started > 60 else min(delay * 2, 10)
            log.error("the host agent ended with code %s; starting it again in %.1f s", code, delay)
            if self._stopping.wait(delay):
                return
            self._process = start_agent(first=False)


def serve_http(settings: Settings) -> None:
    """Serve HTTP until SIGTERM or SIGINT."""
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    # Loaded here, before the web processes fork off, so that they share it: the text model alone has 40 MB.
    importlib.import_module("parley.main").preload(settings)
    server: Any = Granian(
        "parley.main:app",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.web_processes,
        loop=Loops.uvloop,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_access=False,  # addresses can carry secrets: links that confirm an address or set a password
        log_level=LogLevels.debug if settings.log_level == "debug" else LogLevels.warning,
    )
    try:
        server.serve()
    except SystemExit:
        # Ctrl-C also reaches a web process that is still starting. That it died of it is no failure.
        if not server.interrupt_signal:
            raise


def main() -> None:
    """Run the processes that the environment asks for, until stopped; then stop them in order."""
    settings = load_settings()
    os.environ[WATCHER] = str(os.getpid())
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    share_metrics(settings.path("metrics"))
    worker = WorkerProcess(gate_of(settings)) if os.environ.get(RUN_WORKER) else None
    agent = AgentProcess(int(os.environ[AGENT])) if os.environ.get(AGENT) else None
    if agent:
        agent.start()
    if worker:
        worker.start()
    print(os.environ.get(MESSAGE, ""), flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve_http(settings)
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)  # the end has begun; let it finish
        if agent:
            agent.leave_alone()
        if worker:
            worker.stop()
        if os.environ.get(OWNS_DATABASE):
            from parley.kit.postgres import EmbeddedPostgres

            database = EmbeddedPostgres(settings)
            database.adopt()
            database.stop()
        if agent:
            agent.stop()
        print("Parley has stopped.", flush=True)


if __name__ == "__main__":
    main()
