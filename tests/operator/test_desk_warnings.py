"""Those who run the instance learn what is the matter with the desk: on their page, in the metrics, by mail."""

from __future__ import annotations

from parley.safety.warnings import list_warnings, mail_warnings
from tests.conftest import World
from tests.safety.cases.desk import staff
from tests.safety.cases.test_working import _letters
from tests.sessions.pages import sign_in


async def test_the_operator_is_told_on_the_page_in_the_metrics_and_by_mail(world: World) -> None:
    await staff(world, "ada", "admin")
    async with world.instance.db.read() as tx:
        assert [one.code for one in await list_warnings(tx, world.settings)] == ["no_owner"]
    browser = await sign_in(world, "ada")
    page = await browser.get("/operator")
    assert "no active owner" in page.text
    metrics = await world.anonymous.get("/metrics", headers={"host": "localhost"})
    assert 'parley_desk_warning{code="no_owner"} 1.0' in metrics.text
    assert 'parley_desk_warning{code="raw_messages_kept"} 0.0' in metrics.text
    for _ in range(2):
        await mail_warnings(world.instance, {})
        await world.run_jobs()
    letters = _letters(world, "needs a look")
    assert len(letters) == 1, "once a day"
    assert "ada@example.org" in letters[0]
    await staff(world, "olga", "owner")
    async with world.instance.db.read() as tx:
        assert not await list_warnings(tx, world.settings)
