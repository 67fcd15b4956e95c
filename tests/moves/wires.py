"""The ground that two providers stand on: places with an address each, and wires between them that can be cut.

`network()` gives network namespaces where we are root and the kernel has them: every pair of places is joined by a wire
(veth) of its own, so that one wire can be cut and the others not. A cut is silent, as it is on the internet: packets
are sent to an address that nobody has, and no error comes back. Elsewhere it gives loopback addresses, whose wires are
relays (relay.py): only what is told to go through a relay can then be cut or delayed.

Everything that is made has a name or an address of its own, and is removed with the block.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

PLACES = ("a", "b", "witness", "clients")
"""Two providers, the third place (bucket, name server), and where members and everybody else are."""

NOBODY = "02:00:00:00:00:0f"
"""An Ethernet address that no place has."""

RESOLVERS = Path("/etc/netns")
"""Where `ip netns exec` finds what a namespace has in the place of files in /etc."""

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """Somewhere that programs run. `prefix` starts a program there."""

    name: str
    address: str
    prefix: tuple[str, ...] = ()


class Relays:
    """A process that forwards TCP connections between places, and can be told to lose or delay what goes through."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.moves.relay"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def add(self, wire: str, listen: str, target: str) -> None:
        """Forward connections to `listen` (host:port) to `target`; `wire` is how it is cut."""
        self._tell(add=wire, listen=listen, target=target)

    def cut(self, wire: str, cut: bool) -> None:
        """Let nothing through from now on, or let it through again."""
        self._tell(cut=wire, on=cut)

    def delay(self, wire: str, seconds: float) -> None:
        """Let everything be under way for so long, in each direction."""
        self._tell(delay=wire, seconds=seconds)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _tell(self, **order: Any) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said != "done":
            raise RuntimeError(f"the relay did not do {order}: {said or 'it has ended'}")


@dataclass
class Network:
    """The places, and their wires. Made by `network()`."""

    places: dict[str, Place]
    kind: str
    """`namespaces` or `loopback`."""

    cuts: set[tuple[str, str]] = field(default_factory=set)
    _relays: Relays | None = None
    _relay_wires: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _next_port: int = 20000

    def __getitem__(self, name: str) -> Place:
        return self.places[name]

    def cut(self, one: str, other: str, *, both: bool = True) -> None:
        """Lose everything from `one` to `other`; and back too, unless `both` is off."""
        for pair in [(one, other), (other, one)][: 2 if both else 1]:
            self._turn(pair, cut=True)

    def heal(self, one: str | None = None, other: str | None = None) -> None:
        """Mend the wire between two places, or all of them."""
        for pair in sorted(self.cuts):
            if one is None or pair in ((one, other), (other, one)):
                self._turn(pair, cut=False)

    def through_relay(self, one: str, other: str, port: int) -> str:
        """An address (host:port) at which `one` reaches `port` of `other` through a relay, which can delay it."""
        if self._relays is None:
            self._relays = Relays(self.places["witness"].prefix)
        self._next_port += 1
        listen = f"{self.places['witness'].address}:{self._next_port}"
        wire = f"{one}>{other}:{port}"
        self._relays.add(wire, listen, f"{self.places[other].address}:{port}")
        self._relay_wires.setdefault((one, other), set()).add(wire)
        return listen

    def delay(self, one: str, other: str, seconds: float) -> None:
        """Delay what goes through relays between two places by so much one way."""
        for pair in ((one, other), (other, one)):
            for wire in self._relay_wires.get(pair, ()):
                assert self._relays
                self._relays.delay(wire, seconds)

    def close(self) -> None:
        """End the relays."""
        if self._relays:
            self._relays.close()

    def _turn(self, pair: tuple[str, str], *, cut: bool) -> None:
        if self.kind == "namespaces":
            self._turn_link(pair, cut=cut)
        for wire in self._relay_wires.get(pair, ()):
            assert self._relays
            self._relays.cut(wire, cut)
        (self.cuts.add if cut else self.cuts.discard)(pair)

    def _turn_link(self, pair: tuple[str, str], *, cut: bool) -> None:
        one, other = self.places[pair[0]], self.places[pair[1]]
        device = device_to(other.name)
        what = ["replace", other.address, "lladdr", NOBODY, "dev", device, "nud", "permanent"]
        _ip(*(what if cut else ["del", other.address, "dev", device]), before=(*one.prefix, "ip", "neigh"))


def device_to(place: str) -> str:
    """Name of the wire's end that leads to a place."""
    return f"to-{place}"


def can_make_namespaces() -> bool:
    """Whether this is root, on a Linux whose namespaces and wires work."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"parley-try-{secrets.token_hex(3)}"
    try:
        if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
            return False
        add = ["ip", "-n", name, "link", "add", "to-x", "type", "veth", "peer", "name", "to-y"]
        return subprocess.run(add, capture_output=True, check=False).returncode == 0
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def network(kind: str | None = None) -> Iterator[Network]:
    """The places of one test. `kind` is `namespaces` or `loopback`; by default what MOVES_NETWORK says in the
    environment, or the best that this machine can."""
    kind = kind or os.environ.get("MOVES_NETWORK")
    if (kind or ("namespaces" if can_make_namespaces() else "loopback")) == "loopback":
        number = secrets.randbelow(250) + 2
        made = Network({name: Place(name, f"127.77.{number}.{at + 1}") for at, name in enumerate(PLACES)}, "loopback")
        try:
            yield made
        finally:
            made.close()
        return
    with _namespaces() as made:
        try:
            yield made
        finally:
            made.close()


@contextmanager
def _namespaces() -> Iterator[Network]:
    """Four namespaces, a wire for each pair, and one from each to this very process, which is never cut."""
    token = secrets.token_hex(3)
    base = f"100.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}"  # RFC 6598: nobody's own network
    names = {name: f"parley-{token}-{name}" for name in PLACES}
    places = {
        name: Place(name, f"{base}.{at + 1}", ("ip", "netns", "exec", names[name])) for at, name in enumerate(PLACES)
    }
    try:
        for name, place in places.items():
            _ip("netns", "add", names[name])
            _ask_names_at(names[name], places["witness"].address)
            _ip("-n", names[name], "link", "set", "lo", "up")
            _ip("-n", names[name], "address", "add", f"{place.address}/32", "dev", "lo")
        for one, other in combinations(PLACES, 2):
            _join(names[one], places[one], names[other], places[other])
        for at, name in enumerate(PLACES):
            _join_here(f"p{token}{at}", f"{base}.{100 + at}", names[name], places[name])
        yield Network(places, "namespaces")
    finally:
        for at, name in enumerate(PLACES):
            with contextlib.suppress(subprocess.CalledProcessError):
                _end_everything_in(names[name])
            shutil.rmtree(RESOLVERS / names[name], ignore_errors=True)
            for command in (["link", "del", f"p{token}{at}"], ["netns", "del", names[name]]):
                subprocess.run(["ip", *command], capture_output=True, check=False)


def _join(one: str, first: Place, other: str, second: Place) -> None:
    to_second, to_first = device_to(second.name), device_to(first.name)
    ends = ("link", "add", to_second, "type", "veth", "peer", "name", to_first, "netns", other)
    _ip("-n", one, *ends)
    for space, device in ((one, to_second), (other, to_first)):
        _ip("-n", space, "link", "set", device, "up")
    _ip("-n", one, "route", "add", f"{second.address}/32", "dev", to_second, "src", first.address)
    _ip("-n", other, "route", "add", f"{first.address}/32", "dev", to_first, "src", second.address)


def _join_here(device: str, here: str, space: str, place: Place) -> None:
    _ip("link", "add", device, "type", "veth", "peer", "name", "to-here", "netns", space)
    _ip("address", "add", f"{here}/32", "peer", f"{place.address}/32", "dev", device)
    _ip("link", "set", device, "up")
    _ip("-n", space, "link", "set", "to-here", "up")
    _ip("-n", space, "route", "add", f"{here}/32", "dev", "to-here", "src", place.address)


def _ask_names_at(space: str, server: str) -> None:
    """Let programs in a namespace ask this name server, and not the machine's, which cannot be reached from there."""
    folder = RESOLVERS / space
    folder.mkdir(mode=0o755, parents=True)
    (folder / "resolv.conf").write_text(f"nameserver {server}\n")


def _end_everything_in(space: str) -> None:
    """Kill what still runs in a namespace of ours: nobody else can be in there."""
    found = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=True)
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)


def _ip(*words: str, before: Sequence[str] = ("ip",)) -> None:
    done = subprocess.run([*before, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join([*before, *words])}: {done.stderr.strip()}")
