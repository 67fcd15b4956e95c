"""The compliance page of a provider: complete, signed, live, unguessable, revocable, and private."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from base64 import b64decode
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import NotFound
from parley.kit.signing import fingerprint_of, is_signed_by, public_key_of
from parley.safety.log.views import Actor
from parley.safety.notices.actions import file_notice
from parley.safety.notices.providers import create_provider
from parley.safety.notices.views import NewNotice, NewProvider
from parley.safety.transparency.actions import give_compliance_address, revoke_compliance_address
from parley.safety.transparency.compliance import build_compliance, percentile
from parley.safety.transparency.views import Compliance
from parley.social.accounts.views import Viewer
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("_built_assets")


class Named:
    """A provider that named URLs, and the path of its page."""

    def __init__(self, provider_id: int, path: str, status: dict[str, Any]) -> None:
        self.provider_id, self.path, self.status = provider_id, path, status


async def notice(world: World, provider_id: int, urls: list[str], **values: Any) -> int:
    new = NewNotice(
        source="provider_notice",
        channel="api",
        urls=tuple(urls),
        statement="the host's own secret words",
        provider_id=provider_id,
        verified=True,
        **{"reference": "EC2-<script>&42", "harms": ("harm:incitement",), **values},
    )
    async with world.instance.db.write() as tx:
        return await file_notice(tx, world.settings, Actor("provider", provider_id, "Cloud"), new)


@pytest.fixture
async def named(world: World) -> Named:
    status = await world.post("bob", "words that nobody but its readers should see")
    async with world.instance.db.write() as tx:
        provider, _ = await create_provider(tx, None, NewProvider(name="Cloud & <Co>", contact_mail="a@cloud.example"))
        address = await give_compliance_address(tx, world.settings, None, provider.id)
    urls = [status["url"], f"{world.settings.base_url}/@nobody/1", "https://elsewhere.example/x"]
    await notice(world, provider.id, urls)
    return Named(provider.id, address.removeprefix(world.settings.base_url), status)


async def read(world: World, named: Named) -> Compliance:
    answer = await world.anonymous.get(f"{named.path}/compliance.json")
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Compliance)


async def test_every_url_is_listed_with_its_outcome_and_only_what_waits_is_not_answered(
    world: World, named: Named
) -> None:
    view = await read(world, named)
    (one,) = view.notices
    assert [line.outcome for line in one.lines] == ["waiting", "unknown", "not_ours"]
    assert one.acknowledged_at is not None
    assert (view.urls, view.answered, view.in_time, view.late) == (3, 2, 2, 0)
    assert view.backlog.open == 1
    assert len(view.days) == 30
    assert view.days[-1].open == 1
    assert view.log.seq > 0


async def test_what_is_late_is_admitted(world: World, named: Named) -> None:
    with time_travel(timedelta(hours=30)):
        view = await read(world, named)
    assert view.late == 1
    assert view.notices[0].breached
    assert any("Nothing had been done" in one.what for one in view.breaches)


async def test_the_statement_is_signed_and_the_page_carries_it_whole(world: World, named: Named) -> None:
    key = public_key_of(world.settings)
    answer = await world.anonymous.get(f"{named.path}/compliance.json")
    assert is_signed_by(key, b64decode(answer.headers["parley-signature"]), answer.content)
    assert answer.headers["parley-key"] == fingerprint_of(key)
    page = (await world.anonymous.get(named.path)).text
    inside = re.search(r'<script type="application/json" id="statement">(.*?)</script>', page, re.DOTALL)
    signature = re.search(r'<code id="signature">([^<]+)</code>', page)
    assert inside is not None
    assert signature is not None
    assert is_signed_by(key, b64decode(unescape(signature[1])), inside[1].encode())
    assert msgspec.json.decode(inside[1].encode(), type=Compliance).provider == "Cloud & <Co>"


async def test_openssl_verifies_the_signed_file_without_us(world: World, named: Named, tmp_path: Path) -> None:
    answer = await world.anonymous.get(f"{named.path}/compliance.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
        assert fingerprint_of(public_key_of(world.settings)) in archive.read("CHECK.txt").decode()
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in compliance.json -sigfile compliance.json.sig"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" in done.stdout, done.stderr
    (tmp_path / "compliance.json").write_bytes((tmp_path / "compliance.json").read_bytes() + b" ")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode != 0


async def test_nothing_private_is_shown_and_nothing_that_was_sent_is_markup(world: World, named: Named) -> None:
    page = await world.anonymous.get(named.path)
    assert page.status_code == 200
    for private in ("words that nobody", "secret words", "bob@example.org", "a@cloud.example"):
        assert private not in page.text
    assert "EC2-<script>" not in page.text
    assert "EC2-&lt;script&gt;&amp;42" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in page.headers["x-robots-tag"]
    assert "no-store" in page.headers["cache-control"]


async def test_an_address_that_was_guessed_changed_or_taken_back_leads_nowhere(world: World, named: Named) -> None:
    token = named.path.rsplit("/", 1)[1]
    for wrong in ("0" * 64, token[:-1] + ("0" if token[-1] != "0" else "1"), token.upper(), token[:32], "x"):
        assert (await world.anonymous.get(f"/compliance/{wrong}")).status_code == 404
    assert (await world.anonymous.get(f"{named.path}/other.json")).status_code == 404
    assert (await world.anonymous.get(named.path)).status_code == 200
    async with world.instance.db.write() as tx:
        await revoke_compliance_address(tx, None, named.provider_id)
    for path in ("", "/compliance.json", "/compliance.zip"):
        assert (await world.anonymous.get(named.path + path)).status_code == 404
    with pytest.raises(NotFound):
        async with world.instance.db.write() as tx:
            await revoke_compliance_address(tx, None, named.provider_id)


async def test_a_new_address_takes_the_place_of_the_old_one(world: World, named: Named) -> None:
    async with world.instance.db.write() as tx:
        fresh = await give_compliance_address(tx, world.settings, None, named.provider_id)
    assert (await world.anonymous.get(named.path)).status_code == 404
    assert (await world.anonymous.get(fresh)).status_code == 200


async def test_only_who_runs_the_instance_gives_addresses_out(world: World, named: Named) -> None:
    mia = Viewer(account_id=await world.account("mod_mia", role="moderator"), username="mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        with pytest.raises(NotFound):
            await give_compliance_address(tx, world.settings, mia, named.provider_id)
        with pytest.raises(NotFound):
            await revoke_compliance_address(tx, mia, named.provider_id)


async def test_one_provider_sees_nothing_of_another(world: World, named: Named) -> None:
    async with world.instance.db.write() as tx:
        other, _ = await create_provider(tx, None, NewProvider(name="Other", contact_mail="o@other.example"))
    await notice(world, other.id, [named.status["url"]], reference="THEIRS-1")
    assert "THEIRS-1" not in (await world.anonymous.get(named.path)).text


async def test_a_page_asks_as_many_queries_for_many_notices_as_for_one(world: World, named: Named) -> None:
    async def count() -> int:
        with world.queries() as seen:
            async with world.instance.db.read() as tx:
                await build_compliance(tx, world.settings, named.provider_id)
        return len(seen)

    before = await count()
    for place in range(8):
        await notice(world, named.provider_id, [f"{world.settings.base_url}/@nobody/{place + 2}"])
    assert await count() == before


def test_percentiles_are_those_of_the_database() -> None:
    assert percentile([], 0.5) is None
    assert percentile([1.0], 0.95) == 1.0
    assert percentile([1.0, 2.0], 0.5) == 1.5
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.95) == 3.85


async def test_a_host_that_reports_by_its_program_is_told_where_its_page_is(world: World) -> None:
    async with world.instance.db.write() as tx:
        provider, token = await create_provider(tx, None, NewProvider(name="Cloud"))
    status = await world.post("bob", "some words")

    async def report() -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await world.anonymous.post("/api/abuse/v1/reports", json={"urls": [status["url"]]}, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["compliance_url"]

    assert await report() is None
    async with world.instance.db.write() as tx:
        address = await give_compliance_address(tx, world.settings, None, provider.id)
    assert await report() == address


async def test_sums_are_of_all_notices_and_only_the_list_ends(
    world: World, named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.safety.transparency.compliance.MOST_NOTICES", 2)
    monkeypatch.setattr("parley.safety.transparency.compliance.AT_ONCE", 2)
    for number in range(5):
        await notice(world, named.provider_id, [f"{world.settings.base_url}/@nobody/{number + 10}"], harms=())
    view = await read(world, named)
    assert len(view.notices) == 2
    assert view.older == 4
    assert (view.urls, view.answered, view.in_time) == (8, 7, 7)
    assert dict(view.outcomes) == {"waiting": 1, "unknown": 6, "not_ours": 1}
    assert view.timings[0].count == 6
    with time_travel(timedelta(hours=30)):
        late = await read(world, named)
    assert late.late == 1, "it is in a notice that is not listed any more"
    assert any("Nothing had been done" in one.what for one in late.breaches)
