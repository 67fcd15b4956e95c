"""Publishing reports, and giving out or taking back the address of a compliance page. Every one of them is logged."""

from __future__ import annotations

import hashlib

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, human, system
from parley.safety.transparency import store
from parley.safety.transparency.canonical import encode_canonical
from parley.safety.transparency.links import compliance_address
from parley.safety.transparency.signing import sign_contents
from parley.safety.transparency.views import Report
from parley.social.accounts.views import Viewer


async def publish_report(tx: Tx, settings: Settings, viewer: Viewer | None, report: Report) -> int:
    """Freeze a report, sign it and show it at /transparency; returns its id. `viewer` None: an operator's command.

    A report about the same days that is published already is corrected by this one, and both stay. Raises NotFound
    for whoever does not run the instance, Invalid for a period that has not ended.
    """
    if viewer is not None:
        viewer.need_operator()
    if report.until_day >= now().date():
        raise Invalid("Publish a report when its period is over: the last day must be yesterday or earlier.")
    signed = sign_contents(settings, encode_canonical(report))
    corrects = await store.get_newest_report(tx, report.from_day, report.until_day)
    await append_event(
        tx,
        _actor(viewer),
        "transparency_report_published",
        from_day=report.from_day.isoformat(),
        until_day=report.until_day.isoformat(),
        sha256=signed.sha256,
        corrects_id=str(corrects) if corrects is not None else None,
    )
    return await store.insert_report(
        tx,
        (report.from_day, report.until_day),
        signed.contents.decode(),
        hashlib.sha256(signed.contents).digest(),
        (signed.signature, signed.fingerprint),
        corrects_id=corrects,
        published_by=viewer.account_id if viewer else None,
    )


async def give_compliance_address(tx: Tx, settings: Settings, viewer: Viewer | None, provider_id: int) -> str:
    """A fresh address of a provider's compliance page; the one before, if any, leads nowhere from now on.

    Raises NotFound for whoever does not run the instance.
    """
    if viewer is not None:
        viewer.need_operator()
    await append_event(tx, _actor(viewer), "compliance_address_given", provider_id=str(provider_id))
    await store.update_revoked(tx, provider_id, now())
    return compliance_address(settings, (await store.insert_token(tx, provider_id)).id)


async def revoke_compliance_address(tx: Tx, viewer: Viewer | None, provider_id: int) -> None:
    """Take the address of a provider's compliance page back. Raises NotFound when there is none."""
    if viewer is not None:
        viewer.need_operator()
    await append_event(tx, _actor(viewer), "compliance_address_revoked", provider_id=str(provider_id))
    if not await store.update_revoked(tx, provider_id, now()):
        raise NotFound("This provider has no address of a compliance page.")


async def set_country(tx: Tx, viewer: Viewer | None, provider_id: int, country: str) -> str:
    """Note to which state an authority belongs, for the table of orders; returns the two letters (ISO 3166-1).

    Raises NotFound for whoever does not run the instance, Invalid for what are not two letters.
    """
    if viewer is not None:
        viewer.need_operator()
    letters = country.strip().upper()
    if letters and not (len(letters) == 2 and letters.isascii() and letters.isalpha()):
        raise Invalid("Give the state as two letters, such as DE or FR.")
    await append_event(tx, _actor(viewer), "provider_country_set", provider_id=str(provider_id), country=letters)
    if not await store.update_country(tx, provider_id, letters):
        raise NotFound("There is no such provider.")
    return letters


def _actor(viewer: Viewer | None) -> Actor:
    return human(viewer) if viewer is not None else system("operator")
