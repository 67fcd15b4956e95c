"""Other people's machines: takes mails by SMTP and answers as an outside model, and notes each thing that arrives.

`python -m tests.moves.receiver HOST:PORT HOST:PORT LOG` (mail, model). It prints `ready` once both are open.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from email import message_from_bytes
from typing import IO, Any

from aiosmtpd.smtp import SMTP

from tests.moves.history import Delivery, write_line

EPOCH = "X-Parley-Epoch"
ANSWER = json.dumps({"results": [{"flagged": False, "category_scores": {"violence": 0.0}}]})


class Receiver:
    """Notes what arrives."""

    def __init__(self, log: IO[bytes]) -> None:
        self._log = log

    def note(self, kind: str, epoch: str | None, what: str) -> None:
        """One line."""
        known = int(epoch) if epoch is not None and epoch.strip().isdigit() else None
        self._log.write(write_line(Delivery(at=time.monotonic(), kind=kind, epoch=known, what=what[:200])))
        self._log.flush()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """aiosmtpd's name for it."""
        mail = message_from_bytes(envelope.content)
        self.note("mail", mail.get(EPOCH), f"{mail.get('To')}: {mail.get('Subject')}")
        return "250 OK"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, and the same answer always: nothing is wrong with this post."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.note("model", headers.get(EPOCH.lower()), body.decode("utf-8", "replace"))
            size = len(ANSWER)
            text = (
                f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\nconnection: close\r\n"
            )
            writer.write(f"{text}\r\n{ANSWER}".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def main(mail: str, model: str, path: str) -> None:
    """Serve until killed."""
    with open(path, "ab") as log:
        receiver = Receiver(log)
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: SMTP(receiver, enable_SMTPUTF8=True), *_split(mail))
        await asyncio.start_server(receiver.answer, *_split(model))
        print("ready", flush=True)
        await asyncio.Event().wait()


def _split(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
