"""What those who run the instance must know of the desk: shown on their page, in the metrics, and mailed once a day.

Nothing is decided here, and nothing is said of what anybody wrote.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.settings import Settings
from parley.safety import store_warnings
from parley.safety.notices.keeping import MIB, SPARED
from parley.safety.notices.strangers import MOST_OF_ALL, MOST_URGENT, ORDINARY, URGENT
from parley.safety.store_warnings import Figures
from parley.social.sessions.staff import write_to_staff

CODES = (
    *("no_owner", "nobody_runs_it", "no_relay"),
    *("raw_messages_today", "raw_messages_kept", "strangers_turned_away", "sweeps_wait"),
)
"""Every warning that there is, for the metrics."""
MOSTLY = 0.8
AGAIN = timedelta(hours=24)
LEFT_ALONE = timedelta(hours=24)
"""After so long a counted sweep that nobody approved or aborted is worth a word."""


class DeskWarning(msgspec.Struct, frozen=True):
    """Something to look at: a code for machines, and what is the matter and what to do in words."""

    code: str
    text: str


async def list_warnings(tx: Tx, settings: Settings) -> list[DeskWarning]:
    """What is the matter now, in one query. For the program itself; the doors ask who may see it."""
    moment = now()
    hour = moment.replace(minute=0, second=0, microsecond=0)
    figures = await store_warnings.get_figures(tx, moment.date(), hour, (ORDINARY, URGENT), moment - LEFT_ALONE)
    return [
        *_of_staff(figures),
        *_of_mail(settings),
        *_of_raw_messages(figures, settings),
        *_of_strangers(figures),
        *_of_sweeps(figures),
    ]


def _of_staff(figures: Figures) -> list[DeskWarning]:
    if "owner" in figures.roles:
        return []
    advice = f"{figures.escalated:,} escalated cases wait. Make somebody the owner: `parley account role NAME owner`."
    if "admin" in figures.roles:
        text = "This instance has no active owner: what is escalated to the owner goes to its admins. "
        return [DeskWarning("no_owner", text + advice)]
    text = "This instance has neither an active owner nor an active admin: what is escalated goes to all moderators. "
    return [DeskWarning("nobody_runs_it", text + advice)]


def _of_mail(settings: Settings) -> list[DeskWarning]:
    if settings.abuse_relay or not (settings.abuse_listen or settings.abuse_imap):
        return []
    text = (
        "Abuse mail is read, but no mail server of yours says who wrote it: people without a registered address get "
        "neither receipt nor answer by mail. Set PARLEY_ABUSE_RELAY (docs/operators/abuse-mail.md)."
    )
    return [DeskWarning("no_relay", text)]


def _of_raw_messages(figures: Figures, settings: Settings) -> list[DeskWarning]:
    found = []
    if figures.arrived_today > MOSTLY * settings.abuse_daily_mib * MIB:
        text = (
            f"{figures.arrived_today // MIB} MiB of abuse mail came from strangers today; above "
            f"{settings.abuse_daily_mib} MiB they are told to come back tomorrow. If these are real, raise "
            "PARLEY_ABUSE_DAILY_MIB."
        )
        found.append(DeskWarning("raw_messages_today", text))
    if max(figures.in_all, figures.of_strangers / SPARED) > MOSTLY * settings.abuse_kept_mib * MIB:
        text = (
            f"{figures.in_all // MIB} MiB of raw messages are kept, of {settings.abuse_kept_mib}; "
            f"{figures.of_strangers // MIB} MiB of them are of strangers, who are turned away above "
            f"{int(settings.abuse_kept_mib * SPARED)}. Raise PARLEY_ABUSE_KEPT_MIB, and make room on the disk."
        )
        found.append(DeskWarning("raw_messages_kept", text))
    return found


def _of_strangers(figures: Figures) -> list[DeskWarning]:
    if figures.ordinary < MOST_OF_ALL and figures.urgent < MOST_URGENT:
        return []
    text = (
        "So many notices came by the public form in this hour that people are told to come back later. Look at the "
        "newest at /desk/notices: an attack can be seen there."
    )
    return [DeskWarning("strangers_turned_away", text)]


def _of_sweeps(figures: Figures) -> list[DeskWarning]:
    if not figures.sweeps:
        return []
    text = (
        f"What is here already would be treated otherwise by the rules and banks of today: {figures.swept:,} posts, "
        f"files or profiles, and nobody has looked for a day. See `parley sweep list --open`, then approve or abort."
    )
    return [DeskWarning("sweeps_wait", text)]


async def mail_warnings(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, twice an hour: write to those who run the instance, once a day for each warning that holds."""
    settings, moment = instance.settings, now()
    async with instance.db.read() as tx:
        found = await list_warnings(tx, settings)
        told = await store_warnings.list_told(tx, moment - AGAIN) if found else set()
    fresh = [one for one in found if one.code not in told]
    if not fresh:
        return
    words = "\n\n".join(one.text for one in fresh)
    text = f"{words}\n\nThis is on {settings.base_url}/operator too, and in the metrics as parley_desk_warning.\n"
    letter = (f"The desk of {settings.name} needs a look", text)
    async with instance.db.write() as tx:
        await store_warnings.upsert_told(tx, [one.code for one in fresh], moment)
        await write_to_staff(tx, settings, letter, roles=("admin", "owner"))
