"""Two providers on one machine, each with a whole Parley on its own data folder, and everything around them.

    with two_providers() as world:
        world.a.start()                      # `parley up`, waits until it takes writes
        world.people("alice", "bob")         # members with tokens, made in the primary's database
        world.join("a", "b")                 # the real commands: parley host add, parley standby init
        world.network.cut("a", "b")          # and world.network.heal()
        world.a.kill()                       # kill -9 of every process of that host at once

`world.s3` is a store in a third place, which fails when `world.store.trouble()` says so; `world.dns` is a real name
server, `world.deliveries()` what left the instance for other people (mails, and questions to an outside model that is
asked about every post). All of it is ended and removed with the block, also when a test fails; then the ends of the
logs are shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import psutil

from parley.hosting.dns import Addresses, ask_server, point_name, read_addresses, read_door
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from tests.failover.third_place import ThirdPlace, third_place
from tests.hosting.names import KNOTD, knot_server
from tests.hosting.stores import ENVIRONMENT, free_port
from tests.live import kill_at_once, list_family
from tests.moves.history import Delivery, read_deliveries
from tests.moves.wires import CHECKOUT, Network, network

NAME = "moves.localhost"
"""The instance's name: one that may be spoken to without TLS."""

PASSWORD = "correct horse battery staple"
BUCKET, MEDIA = "witness", "media"
LEASE = f"s3://{BUCKET}/lease.json"
ZONE = """\
@     3600 SOA ns1 admin 1 3600 600 86400 60
@     3600 NS  ns1
ns1   3600 A   {witness}
@     1    A   {address}
"""
MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""

ENOUGH = 4 * 2**30
"""Bytes that must be free there before a world is put there; it takes less than one GiB."""

RUNNING: list[World] = []
"""The worlds of this process that are not over, so that their logs can be shown."""

KNOWN_SETTINGS = {one.name for one in msgspec.structs.fields(Settings)}


class CommandFailed(Exception):
    """A command of Parley ended with another code than 0; the text is all that it said."""


@dataclass(frozen=True)
class Person:
    """A member and a token of theirs."""

    name: str
    id: int
    token: str


class Host:
    """One provider's machine: a data folder, and the processes of `parley up` on it."""

    def __init__(self, world: World, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.world = world
        self.place = world.network[name]
        self.folder = world.folder / name
        self.folder.mkdir(mode=0o755)
        self.port = world.port
        self.link = f"{self.place.address}:{world.link_port}"
        self.address = f"{self.place.address}:{self.port}"
        self.log = world.folder / f"{name}.log"
        self.process: subprocess.Popen[str] | None = None
        chosen = {
            "data_dir": str(self.folder),
            "domain": world.domain,
            "host": self.place.address,
            "port": str(self.port),
            "host_name": name,
            "link_listen": self.link,
            "web_processes": "1",
            "database_connections": "8",
            "registrations": "open",
            "email_confirmation": "false",
            "rate_limits": "off",
            "read_pictures": "no",
            **settings,
        }
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PARLEY_")},
            **{f"PARLEY_{key.upper()}": value for key, value in chosen.items() if key in KNOWN_SETTINGS},
            **ENVIRONMENT,
        }

    # Starting and ending.

    def start(self, *, healthy: bool = True, patience: float = 60, sabotage: str = "") -> float:
        """Start `parley up`; wait until it is healthy, or only until it answers at all. Returns the seconds it took.

        `sabotage` is a folder of tests/moves/sabotage whose sitecustomize.py takes a guard away from this host.
        """
        begun = time.monotonic()
        extra = {"PYTHONPATH": self.python_path(sabotage)} if sabotage else {}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.place.prefix, sys.executable, "-m", "parley.cli", "up"],
                env={**self.environment, **extra},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.wait(lambda: self.health() == 200 if healthy else self.health() > 0, "answering", patience)
        return time.monotonic() - begun

    def wait(self, condition: Any, what: str, patience: float = 60) -> None:
        """Wait until a condition holds; fails with the log when it does not, or when the processes have ended."""
        deadline = time.monotonic() + patience
        while not condition():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"parley up of {self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} is not {what} after {patience} s:\n{self.tail()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Stop it as Ctrl-C would; returns the exit code, and kills what does not end."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(40)
        code = self.process.poll()
        self.kill()
        return -9 if code is None else code

    def kill(self) -> float:
        """kill -9 of every process of the host: all are frozen first, so that it is one moment for all of them.

        Returns that moment, by the monotonic clock.
        """
        processes = self.family()
        moment = time.monotonic()
        kill_at_once(processes)
        if self.process is not None:
            self.process.wait(10)
            self.process = None
        return moment

    def family(self) -> list[psutil.Process]:
        """Every process of this host, the embedded database's included, and no other."""
        return list_family(self.folder)

    def processes(self, words: str) -> list[psutil.Process]:
        """Those of the host's processes whose command line holds these words."""
        return [one for one in self.family() if words in " ".join(one.cmdline())]

    # Asking.

    def health(self) -> int:
        """The status of /health; 0 when nothing answers."""
        return self.get("/health")

    def get(self, path: str, *, timeout: float = 5) -> int:
        """The status of a GET on this very host, as a browser that still has its address sends it."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://{self.address}{path}", headers={"Host": NAME}, timeout=timeout).status_code
        return 0

    @property
    def dsn(self) -> str:
        """Address of the embedded database, over its socket."""
        return EmbeddedPostgres(Settings(data_dir=self.folder)).dsn

    def sql(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Ask this host's database, or change it."""

        async def ask() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.dsn, timeout=10)
            try:
                return [dict(row) for row in await connection.fetch(query, *values)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    # Commands.

    def python_path(self, sabotage: str) -> str:
        """PYTHONPATH with a folder of tests/moves/sabotage first."""
        first = str(Path(__file__).parent / "sabotage" / sabotage)
        return os.pathsep.join([first, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])

    def command(self, *words: str) -> list[str]:
        """How a command is started on this host."""
        return [*self.place.prefix, sys.executable, "-m", "parley.cli", *words]

    def run(self, *words: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Parley on this host, whatever it ends with."""
        return subprocess.run(
            self.command(*words),
            env={**self.environment, **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def parley(self, *words: str, timeout: float = 120) -> Any:
        """Run a command with --json; returns what it says, decoded. Raises CommandFailed."""
        done = self.run(*words, "--json", timeout=timeout)
        if done.returncode:
            said = f"{done.stdout}{done.stderr}"
            raise CommandFailed(f"parley {' '.join(words)} on {self.name} ended with {done.returncode}:\n{said}")
        return json.loads(done.stdout)

    def tracebacks(self) -> list[str]:
        """The last lines of the tracebacks in the log, each with the name of this host: what nobody has foreseen."""
        lines, found, inside = self.log.read_text(errors="replace").splitlines() if self.log.exists() else [], [], False
        for line in lines:
            if line.startswith("Traceback"):
                inside = True
            elif inside and line and not line.startswith((" ", "\t", "During handling", "The above exception")):
                found.append(f"{self.name}: {line[:160]}")
                inside = False
        return found

    def tail(self, size: int = 6000) -> str:
        """The ends of the logs."""
        database = self.folder / "postgres" / "log"
        texts = [one.read_text(errors="replace") for one in (self.log, database) if one.exists()]
        dull = ("HTTP Request:", 'parameter "')
        lines = [[line for line in text.splitlines() if not any(one in line for one in dull)] for text in texts]
        return "\n--- database:\n".join("\n".join(some)[-size:] for some in lines)


@dataclass
class World:
    """The two hosts and what is around them. Made by `two_providers()`."""

    network: Network
    folder: Path
    port: int
    link_port: int
    store: ThirdPlace
    dns: str = ""
    dns_server: tuple[str, int] = ("", 0)
    a: Host = field(init=False)
    b: Host = field(init=False)
    members: dict[str, Person] = field(default_factory=dict)

    @property
    def s3(self) -> str:
        """URL of the store in the third place."""
        return self.store.url

    @property
    def domain(self) -> str:
        """The instance's domain, the same on both hosts."""
        return f"{NAME}:{self.port}"

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Both."""
        return self.a, self.b

    def host(self, name: str) -> Host:
        """One of them."""
        return {"a": self.a, "b": self.b}[name]

    def other(self, host: Host) -> Host:
        """The other one."""
        return self.b if host is self.a else self.a

    def people(self, *names: str, host: Host | None = None) -> list[Person]:
        """Members who may do everything at once, made in the database of the host that is the primary now."""
        missing = [name for name in names if name not in self.members]
        if missing:
            for person in asyncio.run(_make_people((host or self.a).dsn, missing)):
                self.members[person.name] = person
        return [self.members[name] for name in names]

    def points_to(self) -> str:
        """The one address that the name has now; empty without a name server."""
        if not self.dns:
            return ""
        return ",".join(asyncio.run(self._ask()).all)

    def forget_names_soon(self, address: str = "") -> None:
        """Let the world remember the name for one second only; with `address`, let it point there, whoever says so."""
        if not self.dns:
            return
        wanted = read_addresses([address or self.points_to()])
        asyncio.run(point_name(read_door(self.dns), NAME, wanted, expected=None, ttl=1))

    async def _ask(self) -> Addresses:
        return await ask_server(NAME, *self.dns_server)

    def deliveries(self) -> list[Delivery]:
        """What the instance sent to other people so far."""
        return read_deliveries(self.folder / "deliveries.jsonl")


def memory_folder() -> str | None:
    """A folder in memory with room for a world; None where there is none, and the disk must do."""
    with contextlib.suppress(OSError):
        free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
        if free > ENOUGH and os.access(MEMORY, os.W_OK):
            return str(MEMORY)
    return None


def has_name_server() -> bool:
    """Whether Knot is installed. Without it the hosts know of no DNS, and what needs one is skipped."""
    return KNOTD is not None


@contextmanager
def two_providers(
    *,
    kind: str | None = None,
    link: bool = True,
    witness: bool = True,
    relays: bool = False,
    on_disk: bool = False,
    settings: Mapping[str, str] | None = None,
    of_a: Mapping[str, str] | None = None,
    of_b: Mapping[str, str] | None = None,
) -> Iterator[World]:
    """A world without anything started but the services around it.

    `settings` are set on both hosts, `of_a` and `of_b` on one. `kind` is `namespaces` or `loopback`, by default the
    best that this machine can. `link` off makes them two instances that know of nobody; `witness` off leaves both
    without a third place to ask who may write. With `relays` the hosts reach each other and the witness through relays,
    which can delay (always so on loopback, where nothing else can be cut). `on_disk` keeps what the hosts write on the
    disk; otherwise it is in memory where there is room, which is several times as fast.
    """
    with ExitStack() as ends:
        net = ends.enter_context(network(kind))
        folder = Path(tempfile.mkdtemp(prefix="parley-moves-", dir=None if on_disk else memory_folder()))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        third = net["witness"]
        store = ends.enter_context(third_place(MEDIA, address=third.address, prefix=third.prefix))
        world = World(net, folder, free_port(), free_port(), store)
        if has_name_server():
            zone = ZONE.format(witness=third.address, address=net["a"].address)
            server = knot_server(
                folder / "knot",
                zone=NAME,
                content=zone,
                address=third.address,
                port=53 if net.kind == "namespaces" else 0,
                prefix=third.prefix,
            )
            world.dns = ends.enter_context(server)
            world.dns_server = (third.address, int(world.dns.rsplit(":", 1)[1].split("/")[0]))
        mail, model = ends.enter_context(_receiver(world))
        for name, own in (("a", of_a), ("b", of_b)):
            host = Host(
                world,
                name,
                {
                    "dns": world.dns,
                    "mail": f"smtp://{mail}",
                    "outside_model_url": f"http://{model}/v1",
                    **({"witness": LEASE} if witness and link else {}),
                    **(settings or {}),
                    **(own or {}),
                },
            )
            host.environment["AWS_ENDPOINT_URL"] = world.s3
            if not link:
                del host.environment["PARLEY_LINK_LISTEN"]
            setattr(world, name, host)
            ends.callback(host.kill)
        if relays or net.kind == "loopback":
            _put_relays_between(world)
        RUNNING.append(world)
        ends.callback(RUNNING.remove, world)
        try:
            yield world
        except BaseException:
            for host in world.hosts:
                print(f"--- {host.name}:\n{host.tail()}", file=sys.stderr)
            raise
        finally:
            net.heal()


def _put_relays_between(world: World) -> None:
    """Let each host be known by an address of a relay, and reach the witness through one."""
    s3_port = int(world.s3.rsplit(":", 1)[1])
    for host in world.hosts:
        host.link = world.network.through_relay(world.other(host).name, host.name, world.link_port)
        through = world.network.through_relay(host.name, "witness", s3_port)
        host.environment["AWS_ENDPOINT_URL"] = f"http://{through}"


@contextmanager
def _receiver(world: World) -> Iterator[tuple[str, str]]:
    """The process that takes mails and answers as an outside model, where members are; yields both addresses."""
    place = world.network["clients"]
    mail, model = f"{place.address}:{free_port()}", f"{place.address}:{free_port()}"
    log = world.folder / "deliveries.jsonl"
    log.touch()
    process = subprocess.Popen(
        [*place.prefix, sys.executable, "-m", "tests.moves.receiver", mail, model, str(log)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield mail, model
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout
        process.stdout.close()


async def _make_people(dsn: str, names: Sequence[str]) -> list[Person]:
    """Accounts that are thirty days old, each with a token: by the actions that the commands use."""
    from argon2 import PasswordHasher

    from parley.kit.db import connect
    from parley.social.sessions import passwords
    from parley.social.sessions.actions import create_member, create_token

    passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    made = []
    connection = await connect(dsn)
    try:
        for name in names:
            async with connection.transaction():
                account_id = await create_member(
                    connection, Settings(domain=NAME), username=name, email=f"{name}@example.org", password=PASSWORD
                )
                token = await create_token(connection, account_id, ["read", "write", "follow"], "Writer")
                await connection.execute(
                    "UPDATE accounts SET created_at = now() - interval '30 days' WHERE id = $1", account_id
                )
            made.append(Person(name, account_id, token))
    finally:
        await connection.close()
    return made
