"""Hosts that write to us: providers with their tokens, and decisions about what they named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from parley.kit.clock import now
from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.views import Subject
from parley.safety.notices.providers import create_provider
from parley.safety.notices.views import NewProvider, ProviderView
from parley.social.accounts.views import Viewer
from tests.conftest import World

REPORTS = "/api/abuse/v1/reports"


@dataclass
class Host:
    """A provider, its token and a client that holds it."""

    view: ProviderView
    token: str
    client: httpx.AsyncClient

    async def send(self, body: Any, **headers: str) -> httpx.Response:
        """POST a report."""
        return await self.client.post(REPORTS, json=body, headers=headers)

    async def ask(self, report_id: str) -> dict[str, Any]:
        """Where a report stands."""
        answer = await self.client.get(f"{REPORTS}/{report_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def a_host(world: World, name: str = "Heavy Metal Hosting", **values: Any) -> Host:
    """A host with a token."""
    async with world.instance.db.write() as tx:
        view, token = await create_provider(tx, None, NewProvider(name=name, **values))
    client = world.browser()
    client.headers["authorization"] = f"Bearer {token}"
    return Host(view, token, client)


async def a_moderator(world: World, name: str = "mod_mia", role: str = "moderator") -> Viewer:
    """A member of the staff."""
    return Viewer(account_id=await world.account(name, role=role), username=name, role=role)


async def decide_about(
    world: World, viewer: Viewer, status_id: str, kind: str = "remove", clause: str | None = "1.1", reasons: str = ""
) -> Any:
    """A moderator decides about a status."""
    async with world.instance.db.write() as tx:
        row = await tx.fetchrow("SELECT account_id, revision FROM statuses WHERE id = $1", int(status_id))
        new = NewDecision(
            account_id=row["account_id"],
            actions=(NewAction(kind, Subject("status", int(status_id), row["revision"])),),
            clause=clause if kind != "no_action" else None,
            facts="What was found.",
            reasons=reasons or "Why it was decided so.",
            source="provider_notice",
        )
        return await decide(tx, world.settings, viewer, new)


def mails_of(world: World) -> list[Any]:
    """The mails that were sent, the oldest first."""
    from email import message_from_bytes
    from email.policy import SMTP

    folder = world.settings.path("mail")
    return [message_from_bytes(path.read_bytes(), policy=SMTP) for path in sorted(folder.glob("*.eml"))]


def mails_to(world: World, address: str) -> list[Any]:
    """The mails that were sent to somebody."""
    return [mail for mail in mails_of(world) if mail["To"] == address]


__all__ = ["REPORTS", "Host", "a_host", "a_moderator", "decide_about", "mails_of", "mails_to", "now"]
