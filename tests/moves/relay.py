"""Forwards TCP connections, and loses or delays what goes through when it is told to: `python -m tests.moves.relay`.

Orders come as JSON lines on standard input; each is answered with `done`, or with what went wrong. It ends when its
input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from typing import Any

CHUNK = 64 * 1024


@dataclass
class Wire:
    """What happens to everything that goes through some listeners."""

    cut: bool = False
    delay: float = 0.0


async def mended(wire: Wire) -> None:
    """Wait until the wire is whole."""
    while wire.cut:
        await asyncio.sleep(0.02)


async def carry(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction of one connection: in order, each piece `delay` later. While the wire is cut nothing comes through
    and nobody is told, not even that an end has closed; afterwards it goes on, as TCP sends again what was lost."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(max(0.0, due - clock()))
            await mended(wire)
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        piece = b"-"
        while piece:
            piece = await reader.read(CHUNK)
            await mended(wire)
            await waiting.put((clock() + wire.delay, piece))
        await delivering
    finally:
        delivering.cancel()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()


async def listen(wire: Wire, address: str, target: str) -> None:
    """Forward connections to `address` to `target`."""
    host, port = address.rsplit(":", 1)
    target_host, target_port = target.rsplit(":", 1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await mended(wire)
        try:
            far_reader, far_writer = await asyncio.open_connection(target_host, int(target_port))
        except OSError:
            writer.close()
            return
        with contextlib.suppress(OSError):
            await asyncio.gather(carry(wire, reader, far_writer), carry(wire, far_reader, writer))

    await asyncio.start_server(serve, host, int(port))


async def obey(wires: dict[str, Wire], order: dict[str, Any]) -> None:
    """Do one order."""
    if "add" in order:
        wire = wires.setdefault(order["add"], Wire())
        await listen(wire, order["listen"], order["target"])
    elif "cut" in order:
        wires[order["cut"]].cut = order["on"]
    else:
        wires[order["delay"]].delay = order["seconds"]


async def main() -> None:
    """Obey until the input ends."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # connections that break are what this is for
    wires: dict[str, Wire] = {}
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            await obey(wires, json.loads(line))
            print("done", flush=True)
        except (OSError, KeyError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
