"""Transparency reports: their figures, their privacy, and that what is published stays as it is."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from parley.kit.errors import Invalid, NotFound
from parley.kit.signing import is_signed_by, public_key_of
from parley.safety.log.views import Actor
from parley.safety.notices.actions import file_notice
from parley.safety.notices.providers import create_provider
from parley.safety.notices.views import NewNotice, NewProvider
from parley.safety.transparency.actions import publish_report, set_country
from parley.safety.transparency.reads import draft_report, get_published_report, list_published_reports
from parley.safety.transparency.report import build_report, suppress, write_csv
from parley.safety.transparency.views import Column, Report, Table
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.transparency.desk import insert_decision, posted, today, yesterday


def table_of(report: Report, key: str) -> list[dict[str, object]]:
    table = next(one for one in report.tables if one.key == key)
    return [dict(zip([column.key for column in table.columns], row, strict=True)) for row in table.rows]


async def test_a_report_counts_what_was_reported_and_screened(world: World) -> None:
    await world.account("alice")
    bad = await world.post("bob", "I am not nice today, said the fox")
    alice = await world.client("alice")
    answer = await alice.post(
        "/api/v1/reports",
        json={"account_id": bad["account"]["id"], "status_ids": [bad["id"]], "rule_ids": ["3.1"], "comment": "rude"},
    )
    assert answer.status_code == 200, answer.text
    async with world.instance.db.read() as tx:
        report = await build_report(tx, world.settings, today(), today())
    assert table_of(report, "notices_by_source") == [
        {"source": "Members", "notices": 1, "acted": 0, "not_acted": 0, "open": 1, "median": None}
    ]
    assert table_of(report, "notices_by_category")[0]["category"] == "Cyber violence"
    judged = {row["verdict"]: row["count"] for row in table_of(report, "screening")}
    assert judged["Allowed"] >= 1
    assert report.log.seq >= 1
    assert "rude" not in msgspec.json.encode(report).decode()
    assert "fox" not in msgspec.json.encode(report).decode()


async def test_a_report_of_an_empty_instance_has_every_table_and_no_figure_that_is_not_there(world: World) -> None:
    async with world.instance.db.read() as tx:
        report = await build_report(tx, world.settings, yesterday(), yesterday())
    assert {one.key for one in report.tables} >= {
        *("orders", "notices_by_source", "notices_by_category", "own_initiative", "measures_after_notices"),
        *(
            "screening",
            "automated",
            "accuracy",
            "appeals",
            "misuse",
            "accounts",
            "people",
            "first_actions",
            "clocks",
            "backlog",
        ),
    }
    assert [row["share"] for row in table_of(report, "automated")] == [None, None, None]


@pytest.mark.parametrize(
    ("first", "last", "said"), [(0, -1, "ends before"), (-800, 0, "two years"), (1, 2, "not begun")]
)
async def test_a_period_that_cannot_be_is_refused_with_a_sentence(
    world: World, first: int, last: int, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        async with world.instance.db.read() as tx:
            days = [today() + timedelta(days=count) for count in (first, last)]
            await build_report(tx, world.settings, *days)


async def test_only_who_runs_the_instance_drafts_or_publishes(world: World) -> None:
    mia = Viewer(account_id=await world.account("mod_mia", role="moderator"), username="mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        with pytest.raises(NotFound):
            await draft_report(tx, world.settings, mia, yesterday(), yesterday())
        report = await draft_report(tx, world.settings, None, yesterday(), yesterday())
        with pytest.raises(NotFound):
            await publish_report(tx, world.settings, mia, report)


async def test_what_is_published_is_signed_logged_and_frozen(world: World) -> None:
    async with world.instance.db.write() as tx:
        report = await draft_report(tx, world.settings, None, yesterday(), yesterday())
        report_id = await publish_report(tx, world.settings, None, report)
    async with world.instance.db.read() as tx:
        found = await get_published_report(tx, None, report_id)
        logged = await tx.fetchval("SELECT body FROM moderation_events WHERE type = 'transparency_report_published'")
    assert hashlib.sha256(found.contents).hexdigest() == found.sha256
    assert is_signed_by(public_key_of(world.settings), found.signature, found.contents)
    assert found.sha256 in logged
    assert msgspec.json.decode(found.contents, type=Report) == report
    for statement in ("UPDATE transparency_reports SET contents = '{}'", "DELETE FROM transparency_reports"):
        with pytest.raises(asyncpg.RaiseError, match="frozen"):
            async with world.instance.db.write() as tx:
                await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
                await tx.execute(statement)


async def test_a_second_report_about_the_same_days_corrects_the_first_and_both_stay(world: World) -> None:
    ids = []
    for _ in range(2):
        async with world.instance.db.write() as tx:
            report = await draft_report(tx, world.settings, None, yesterday(), yesterday())
            ids.append(await publish_report(tx, world.settings, None, report))
    async with world.instance.db.read() as tx:
        found = {one.id: one for one in await list_published_reports(tx, None)}
    assert found[ids[0]].corrected_by_id == ids[1]
    assert found[ids[1]].corrects_id == ids[0]


async def test_a_period_that_is_not_over_is_not_published(world: World) -> None:
    async with world.instance.db.write() as tx:
        report = await draft_report(tx, world.settings, None, today(), today())
        with pytest.raises(Invalid, match="over"):
            await publish_report(tx, world.settings, None, report)


TABLE = Table(
    key="notices",
    title="Notices",
    columns=(
        Column("source", "From", "text"),
        Column("notices", "Notices"),
        Column("acted", "Acted"),
        Column("open", "Open"),
        Column("median", "Median", "hours"),
    ),
    rows=(("many", 100, 60, 40, 2.0), ("few", 3, 3, 0, 1.0), ("none", 0, 0, 0, None), ("mixed", 50, 48, 2, 4.0)),
    size="notices",
)


def test_figures_about_few_people_are_suppressed_and_cannot_be_worked_out_by_subtraction() -> None:
    rows = suppress(TABLE, 5).rows
    assert rows[0] == TABLE.rows[0]
    assert rows[1] == ("few", "<5", "<5", "<5", "<5")
    assert rows[2] == TABLE.rows[2]
    assert rows[3] == ("mixed", 50, "hidden", "hidden", 4.0)
    assert suppress(TABLE, 0) == TABLE


async def test_csv_has_one_figure_a_line_and_no_formula_of_a_spreadsheet(world: World) -> None:
    async with world.instance.db.read() as tx:
        report = await build_report(tx, world.settings, yesterday(), yesterday())
    odd = msgspec.structs.replace(TABLE, rows=(("=HYPERLINK(1)", 1, 1, 1, 1.0),))
    rows = list(csv.DictReader(io.StringIO(write_csv(msgspec.structs.replace(report, tables=(TABLE, odd))))))
    assert len(rows) == 5 * 4
    assert rows[0] == {
        "instance": "localhost:3000",
        "from": yesterday().isoformat(),
        "until": yesterday().isoformat(),
        "table": "notices",
        "row": "many",
        "column": "notices",
        "kind": "count",
        "value": "100",
    }
    assert rows[-1]["row"] == "'=HYPERLINK(1)"


async def test_a_machine_was_wrong_where_a_person_let_go_and_not_where_a_person_went_on(world: World) -> None:
    mia = await world.account("mod_mia", role="moderator")
    author, status = await posted(world, "bob", "some words")
    async with world.instance.db.write() as tx:
        for kind in ("remove", "no_action"):
            hidden = await insert_decision(
                tx, author, [("hide", "status", status)], kind="interim", source="automated", detected=True, alone=True
            )
            final = await insert_decision(tx, author, [(kind, "status", status)], decided_by=mia, source="automated")
            await tx.execute("UPDATE decisions SET reversed_by_id = $2 WHERE id = $1", hidden, final)
        report = await build_report(tx, world.settings, today(), today())
    rows = {row["what"]: row for row in table_of(report, "automated")}
    assert rows["Decided by machines alone"] == {
        "what": "Decided by machines alone",
        "count": 2,
        "wrong": 1,
        "share": 0.5,
    }
    assert table_of(report, "own_initiative")[0]["disabled"] == 2


async def test_orders_are_counted_by_member_state_with_their_times(world: World) -> None:
    new = NewProvider(name="Police of Example", kind="authority", contact_mail="p@police.example")
    async with world.instance.db.write() as tx:
        authority, _ = await create_provider(tx, None, new)
        with pytest.raises(Invalid, match="two letters"):
            await set_country(tx, None, authority.id, "Germany")
        assert await set_country(tx, None, authority.id, "de") == "DE"
    status = await world.post("bob", "some words")
    order = NewNotice(
        source="authority_order",
        channel="api",
        urls=(status["url"],),
        provider_id=authority.id,
        verified=True,
        order_kind="removal",
        authority="Police of Example",
    )
    async with world.instance.db.write() as tx:
        await file_notice(tx, world.settings, Actor("provider", authority.id, "Police"), order)
        report = await build_report(tx, world.settings, today(), today())
    (row,) = table_of(report, "orders")
    assert (row["state"], row["kind"], row["orders"], row["late"]) == ("DE", "removal order", 1, 0)
