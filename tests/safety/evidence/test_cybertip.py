"""The draft for NCMEC keeps to what its documentation says of the schema; anything else is named, never packed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from parley.kit.errors import Invalid
from parley.safety.evidence.cybertip import INCIDENT, check_report, draft_report
from parley.safety.evidence.law_views import Packable
from parley.social.accounts.reads import get_account_views
from parley.social.sessions.for_evidence import get_subscriber
from tests.conftest import World

GOOD = f"""<report>
<incidentSummary><incidentType>{INCIDENT}</incidentType><incidentDateTime>2026-01-02T03:04:05Z</incidentDateTime>
</incidentSummary>
<internetDetails><webPageIncident><url>https://a.example/1</url></webPageIncident></internetDetails>
<reporter><reportingPerson><email>a@b.example</email></reportingPerson></reporter>
<personOrUserReported><espIdentifier>1</espIdentifier><screenName>sam</screenName>
<ipCaptureEvent><ipAddress>192.0.2.1</ipAddress><eventName>Login</eventName></ipCaptureEvent></personOrUserReported>
</report>"""

WRONG = {
    "another type": (INCIDENT, "Something else"),
    "a moment without a zone": ("03:04:05Z", "03:04:05"),
    "no reporter": ("<reporter><reportingPerson><email>a@b.example</email></reportingPerson></reporter>", ""),
    "an element of ours": ("<screenName>sam</screenName>", "<acct>sam</acct>"),
    "another order": (
        "<espIdentifier>1</espIdentifier><screenName>sam</screenName>",
        "<screenName>sam</screenName><espIdentifier>1</espIdentifier>",
    ),
    "twice": ("<screenName>sam</screenName>", "<screenName>sam</screenName><screenName>sue</screenName>"),
    "no address": ("192.0.2.1", "here"),
    "another event": (">Login<", ">Signed in<"),
    "no mail address": ("a@b.example", "somebody"),
    "an empty name": (">sam<", "> <"),
    "a strange URL": ("https://a.example/1", "javascript:x"),
}


def test_what_the_documentation_allows_is_right() -> None:
    assert check_report(fromstring(GOOD)) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_would_be_refused_is_named(name: str) -> None:
    old, new = WRONG[name]
    assert old in GOOD
    assert check_report(fromstring(GOOD.replace(old, new)))


async def test_a_draft_is_right_whatever_a_member_calls_itself(world: World) -> None:
    sam = await world.account("spam_sam")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET display_name = $2 WHERE id = $1", sam, " \x0b<b>&]]> " + "x" * 400)
    async with world.instance.db.read() as tx:
        account, subscriber = (await get_account_views(tx, [sam]))[sam], await get_subscriber(tx, sam)
    values: dict[str, Any] = {"incident_at": datetime(2026, 1, 2, tzinfo=UTC), "files": [Packable("a", "0" * 64, 1)]}
    for urls in ([], ["https://localhost/@spam_sam/1"]):
        assert check_report(fromstring(draft_report(world.settings, account, subscriber, urls=urls, **values))) == []
    with pytest.raises(Invalid, match="nothing was packed"):
        draft_report(world.settings, account, subscriber, urls=["javascript:x"], **values)
