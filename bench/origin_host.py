"""The host of the replay: names URLs by day and by night, over the abuse API and by mail; counts what came of them."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.origin_people import Crowd
from bench.origin_world import World
from parley.kit.clock import now
from parley.safety.notices.providers import create_provider
from parley.safety.notices.views import NewProvider
from parley.safety.transparency.compliance import build_compliance, percentile

NAME, ADDRESS = "Cloud Example", "abuse@host.example"
STATEMENT = "We received complaints about content on your server that encourages violence."


@dataclass
class Urls:
    """What came of the URLs of all notices."""

    urls: int
    in_time: int
    notices_in_time: int
    median: float | None
    p95: float | None


class Host:
    """A provider of this instance."""

    def __init__(self, world: World, dice: random.Random, provider_id: int, token: str) -> None:
        self.world, self.dice, self.provider_id, self.token = world, dice, provider_id, token
        self.sent = 0
        self.named: set[int] = set()

    @classmethod
    @asynccontextmanager
    async def opened(cls, world: World, dice: random.Random) -> AsyncIterator[Host]:
        """Introduced to the instance as `parley provider create` does it."""
        new = NewProvider(
            name=NAME, kind="host", contact_mail=ADDRESS, trusted=True, addresses=(ADDRESS,), address_suffices=True
        )
        async with world.db.write() as tx:
            provider, token = await create_provider(tx, None, new)
        yield cls(world, dice, provider.id, token)

    async def send_notice(self, crowd: Crowd) -> None:
        """Name one to three of the worst posts that are there to be seen."""
        ids = await crowd.find_worst(self.dice.randint(1, 3), self.named)
        if not ids:
            return  # nothing is there that anybody could object to
        self.named |= set(ids)
        urls = [f"{self.world.settings.base_url}/@{crowd.names[crowd.known.authors[one]]}/{one}" for one in ids]
        self.sent += 1
        reference = f"ABUSE-{self.sent:04}"
        await self._send_xarf(reference, urls)

    async def _send_xarf(self, reference: str, urls: list[str]) -> None:
        """XARF 4 over the API."""
        report = {
            "xarf_version": "4.2.0",
            "report_id": str(uuid.UUID(int=self.dice.getrandbits(128), version=4)),
            "timestamp": now().isoformat(),
            "category": "content",
            "type": "other",
            "reporter": {"org": NAME, "contact": ADDRESS, "domain": "host.example"},
            "sender": {"org": NAME, "contact": ADDRESS, "domain": "host.example"},
            "source_identifier": self.world.settings.local_domain,
            "url": urls[0],
            "additional_urls": urls[1:],
            "description": STATEMENT,
            "tags": ["harm:incitement"],
            "case_id": reference,
        }
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": reference}
        answer = await self.world.http.post("/api/abuse/v1/reports", json=report, headers=headers)
        if answer.status_code != 202:
            raise RuntimeError(f"The abuse API refused a notice: {answer.status_code} {answer.text}")

    async def count_urls(self) -> Urls:
        """From the provider's own compliance page."""
        async with self.world.db.read() as tx:
            view = await build_compliance(tx, self.world.settings, self.provider_id)
        lines = [line for one in view.notices for line in one.lines]
        hours = sorted(line.hours for line in lines if line.hours is not None)
        answered = [one for one in view.notices if one.answered_at is not None and one.due_at is not None]
        return Urls(
            urls=len(lines),
            in_time=sum(line.in_time is True for line in lines),
            notices_in_time=sum(one.answered_at <= one.due_at for one in answered),  # type: ignore[operator]
            median=percentile(hours, 0.5),
            p95=percentile(hours, 0.95),
        )
