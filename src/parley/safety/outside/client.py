"""Asks the outside model over HTTP: one configured address, no redirects, no proxies, bounded in time and size.

The address is the operator's own and may well be on this machine, so it is not checked against private networks; for
the same reason nothing that a member writes may ever become part of it. Must not be used inside a transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from parley.kit.gate import check_out
from parley.kit.settings import Settings
from parley.screening.outside import MOST_ANSWER, BadAnswer, ask_for, read_answer

_FAILURES = 5
_FIRST_PAUSE = 60.0
_LONGEST_PAUSE = 900.0


class OutsideUnavailable(Exception):
    """No usable answer came. The text is for the log and holds no content and no key."""


@dataclass
class Breaker:
    """After five failures in a row nothing is asked for a minute, then for longer, up to a quarter of an hour."""

    failures: int = 0
    pause: float = _FIRST_PAUSE
    closed_until: float = 0.0

    def is_open(self) -> bool:
        """Whether the model is left alone now."""
        return time.monotonic() < self.closed_until

    def succeeded(self) -> None:
        """An answer came."""
        self.failures, self.pause = 0, _FIRST_PAUSE

    def failed(self) -> None:
        """No answer came, or none that can be used."""
        self.failures += 1
        if self.failures >= _FAILURES:
            self.closed_until = time.monotonic() + self.pause
            self.pause = min(self.pause * 2, _LONGEST_PAUSE)
            self.failures = _FAILURES - 1  # the next one decides


breaker = Breaker()
"""Of this process; there is one worker."""


async def ask_model(settings: Settings, text: str) -> dict[str, float]:
    """Return the outside model's scores of a text. Raises OutsideUnavailable, and GateClosed where it may not ask."""
    if breaker.is_open():
        raise OutsideUnavailable("it is left alone for a while, because it failed several times")
    path, body = ask_for(settings.outside_model_kind, settings.outside_model_name, text)
    headers = check_out(settings)
    if settings.outside_model_key:
        headers["Authorization"] = f"Bearer {settings.outside_model_key}"
    url = settings.outside_model_url.rstrip("/") + path
    try:
        answer = await _post(url, body, headers, settings.outside_model_timeout)
        scores = read_answer(settings.outside_model_kind, answer)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError, OSError) as error:
        breaker.failed()
        raise OutsideUnavailable(f"it could not be asked ({type(error).__name__})") from error
    except BadAnswer as error:
        breaker.failed()
        raise OutsideUnavailable(str(error)) from error
    breaker.succeeded()
    return scores


async def _post(url: str, body: dict[str, object], headers: dict[str, str], seconds: float) -> bytes:
    """Return the body of a 200, read up to the limit, all within `seconds`."""
    import asyncio

    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=seconds) as client,
        client.stream("POST", url, json=body, headers={**headers, "Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status_code != 200:
            raise BadAnswer(f"it answered {answer.status_code}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise BadAnswer("the answer is compressed")  # it could unfold to anything
        read = bytearray()
        async for piece in answer.aiter_raw():
            read += piece
            if len(read) > MOST_ANSWER:
                raise BadAnswer("the answer is too long")
        return bytes(read)
