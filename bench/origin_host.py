"""The host of the replay: names URLs by day and by night, over the abuse API and by mail; counts what came of them."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from bench.origin_people import Crowd
from bench.origin_world import RELAY, World
from parley.abuse.listener import listening
from parley.kit.clock import now
from parley.safety.notices.providers import create_provider
from parley.safety.notices.views import NewProvider
from parley.safety.transparency.compliance import build_compliance, percentile
from parley.screening import live_ruleset

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

    def __init__(self, world: World, dice: random.Random, provider_id: int, token: str, smtp_port: int) -> None:
        self.world, self.dice, self.provider_id = world, dice, provider_id
        self.token, self.smtp_port = token, smtp_port
        self.sent = 0
        self.named: set[int] = set()

    @classmethod
    @asynccontextmanager
    async def opened(cls, world: World, dice: random.Random) -> AsyncIterator[Host]:
        """Introduced to the instance as `parley provider create` does it."""
        new = NewProvider(name=NAME, kind="host", contact_mail=ADDRESS, trusted=True, addresses=(ADDRESS,))
        async with world.db.write() as tx:
            provider, token = await create_provider(tx, None, new)
        async with listening(world.instance) as sockets:
            yield cls(world, dice, provider.id, token, sockets[0][1])

    async def send_notice(self, crowd: Crowd) -> bool:
        """Name one to three of the worst posts that are there to be seen; False when there is none."""
        ids = await crowd.find_worst(self.dice.randint(1, 3), self.named)
        if not ids:
            return False
        self.named |= set(ids)
        urls = [f"{self.world.settings.base_url}/@{crowd.names[crowd.known.authors[one]]}/{one}" for one in ids]
        self.sent += 1
        reference = f"ABUSE-{self.sent:04}"
        await (self._send_mail if self.sent % 2 else self._send_xarf)(reference, urls)
        return True

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

    async def _send_mail(self, reference: str, urls: list[str]) -> None:
        """In words, as most hosts write, to the port on which the instance takes abuse mail."""
        message = EmailMessage()
        message["From"], message["To"] = ADDRESS, self.world.settings.abuse_mail
        message["Subject"] = f"[AbuseID:{reference}] Content that encourages violence"
        message["Message-ID"] = f"<{reference.lower()}@host.example>"
        message["Date"] = format_datetime(now())
        message["Authentication-Results"] = f"{RELAY}; dkim=pass header.d=host.example"
        message.set_content("\n".join([STATEMENT, "", *urls, "", "Answer within 24 hours, with the actions taken."]))
        await aiosmtplib.send(message, hostname="127.0.0.1", port=self.smtp_port)

    async def count_urls(self) -> Urls:
        """From the provider's own compliance page. In time is within the hours that the policy promises for a first
        action, far less than the day within which it must be answered."""
        promised = live_ruleset().head.clocks.provider_first_action
        async with self.world.db.read() as tx:
            view = await build_compliance(tx, self.world.settings, self.provider_id)
        lines = [line for one in view.notices for line in one.lines]
        hours = sorted(line.hours for line in lines if line.hours is not None)
        answered = [one for one in view.notices if one.answered_at is not None and one.due_at is not None]
        return Urls(
            urls=len(lines),
            in_time=sum(line.in_time is True and (line.hours or 0) <= promised for line in lines),
            notices_in_time=sum(one.answered_at <= one.due_at for one in answered),  # type: ignore[operator]
            median=percentile(hours, 0.5),
            p95=percentile(hours, 0.95),
        )
