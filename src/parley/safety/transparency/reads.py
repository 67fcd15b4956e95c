"""Published reports and what waits now, for everybody; drafts of reports, for those who run the instance."""

from __future__ import annotations

from datetime import date

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.safety.transparency import store, store_figures, store_providers
from parley.safety.transparency.links import compliance_address
from parley.safety.transparency.report import build_report
from parley.safety.transparency.views import Backlog, LogHead, PublishedReport, Report
from parley.social.accounts.views import Viewer

MOST_REPORTS = 100


async def list_published_reports(tx: Tx, viewer: Viewer | None) -> list[PublishedReport]:
    """What was published, without the contents, the newest period first. For everybody."""
    return [_present(row) for row in await store.list_reports(tx, MOST_REPORTS)]


async def get_published_report(tx: Tx, viewer: Viewer | None, report_id: int) -> PublishedReport:
    """A published report with its contents. For everybody. Raises NotFound."""
    row = await store.get_report(tx, report_id)
    if row is None:
        raise NotFound
    return _present(row)


async def draft_report(
    tx: Tx, settings: Settings, viewer: Viewer | None, from_day: date, until_day: date, *, suppress_below: int = 0
) -> Report:
    """A report that is not published. `viewer` None: an operator's command.

    Raises NotFound for whoever does not run the instance, Invalid for a wrong period.
    """
    if viewer is not None:
        viewer.need_operator()
    return await build_report(tx, settings, from_day, until_day, suppress_below=suppress_below)


async def get_backlog(tx: Tx) -> Backlog:
    """What waits at this moment. For everybody: a backlog is not hidden."""
    rows = await store_figures.list_open(tx, now())
    counts = {row.severity: row.count for row in rows}
    return Backlog(
        open=sum(counts.values()),
        by_severity=(counts.get(0, 0), counts.get(1, 0), counts.get(2, 0), counts.get(3, 0)),
        overdue=sum(row.overdue for row in rows),
        oldest_at=min((row.oldest_at for row in rows), default=None),
    )


async def get_log_head(tx: Tx) -> LogHead:
    """The newest entry of the moderation log."""
    return LogHead(*await store_figures.get_log_head(tx))


async def get_compliance_address(tx: Tx, settings: Settings, provider_id: int) -> str | None:
    """The address of a provider's compliance page, for that provider alone: the caller knows that it asks."""
    row = await store.get_live_token(tx, provider_id)
    return compliance_address(settings, row.id) if row else None


async def list_compliance_addresses(tx: Tx, settings: Settings, viewer: Viewer | None) -> dict[int, str]:
    """The live address of each provider's compliance page by the provider's id.

    For those who run the instance; `viewer` None: an operator's command.
    """
    if viewer is not None:
        viewer.need_operator()
    return {row.provider_id: compliance_address(settings, row.id) for row in await store.list_live_tokens(tx)}


async def list_provider_names(tx: Tx, viewer: Viewer | None) -> dict[int, str]:
    """The providers that may send notices, by id.

    For those who run the instance; `viewer` None: an operator's command.
    """
    if viewer is not None:
        viewer.need_operator()
    return {row.id: row.name for row in await store_providers.list_providers(tx)}


def _present(row: store.ReportRow) -> PublishedReport:
    return PublishedReport(
        id=row.id,
        from_day=row.from_day,
        until_day=row.until_day,
        contents=row.contents.encode(),
        sha256=row.sha256.hex(),
        signature=row.signature,
        key_fingerprint=row.key_fingerprint,
        corrects_id=row.corrects_id,
        corrected_by_id=row.corrected_by_id,
        published_at=row.published_at,
    )
