"""Wires are cut silently, in one direction or both, and come back; on namespaces and on loopback."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.moves.wires import Network, can_make_namespaces, network

ECHO = """
import socketserver, sys
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
print("ready", flush=True)
socketserver.ThreadingTCPServer((sys.argv[1], 8000), Echo).serve_forever()
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1].split(":")[0], int(sys.argv[1].split(":")[1])), 0.7) as one:
    one.sendall(b"hello\\n")
    print(one.recv(10))
"""


@pytest.fixture(scope="module", params=["namespaces", "loopback"])
def net(request: pytest.FixtureRequest) -> Iterator[Network]:
    if request.param == "namespaces" and not can_make_namespaces():
        pytest.skip("needs root, ip (iproute2) and a kernel with network namespaces")
    with network(request.param) as made:
        place = made["b"]
        server = subprocess.Popen(
            [*place.prefix, sys.executable, "-c", ECHO, place.address], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
            time.sleep(0.2)
            yield made
        finally:
            server.kill()
            server.wait()


def reaches(net: Network, address: str) -> bool:
    done = subprocess.run(
        [*net["a"].prefix, sys.executable, "-c", ASK, address], capture_output=True, text=True, check=False
    )
    return "hello" in done.stdout


def test_a_wire_is_cut_in_one_direction_or_both_and_heals(net: Network) -> None:
    ways = [net.through_relay("a", "b", 8000)]
    ways += [f"{net['b'].address}:8000"] if net.kind == "namespaces" else []
    for way in ways:
        assert reaches(net, way)
        net.cut("a", "b")
        assert not reaches(net, way)
        net.heal("b", "a")
        assert reaches(net, way)
        net.cut("a", "b", both=False)
        assert not reaches(net, way)  # even one direction is enough to stop TCP
        net.heal()
        assert reaches(net, way)
    assert net.cuts == set()


def test_a_relay_delays_what_goes_through(net: Network) -> None:
    way = net.through_relay("a", "b", 8000)
    net.delay("a", "b", 0.2)
    begun = time.monotonic()
    assert reaches(net, way)
    assert time.monotonic() - begun > 0.4
    net.delay("a", "b", 0)


@pytest.mark.skipif(not can_make_namespaces(), reason="needs root and network namespaces")
def test_nothing_is_left_of_a_network_even_when_something_still_runs_in_it() -> None:
    with network("namespaces") as made:
        left = subprocess.Popen([*made["a"].prefix, "sleep", "600"])
        names = [place.prefix[3] for place in made.places.values()]
        devices = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
        token = names[0].split("-")[1]
        assert f"p{token}0" in devices
    assert left.wait(5) == -9
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not [name for name in names if name in spaces]
    devices = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert f"p{token}" not in devices
