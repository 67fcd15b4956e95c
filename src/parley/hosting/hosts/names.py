"""Looking names up, apart from everything else that an agent does in threads.

A name server that does not answer holds a thread for half a minute each time it is asked, and cannot be told to let go.
In the pool where files are read and written, a few of those would keep the whole agent waiting: just when the network
is cut, and it must act.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST_AT_ONCE = 8


class NamesApart(asyncio.SelectorEventLoop):
    """An event loop with threads of their own for names."""

    def __init__(self) -> None:
        super().__init__()
        self._looking_up = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="names")

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        """See asyncio. Whoever asks limits the time that they wait."""
        return await self.run_in_executor(self._looking_up, socket.getaddrinfo, host, port, family, type, proto, flags)

    def close(self) -> None:
        """Close the loop; what still looks up a name is left to end by itself."""
        self._looking_up.shutdown(wait=False, cancel_futures=True)
        super().close()
