"""What mails say, read from bytes: ARF, XARF, words, HTML, and everything that hostile people send."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.abuse.authenticity import authenticated_domains
from parley.abuse.mail import MOST_BYTES, Refused, html_text, read_mail, reference_in
from parley.kit.settings import Settings
from parley.safety.notices.urls import own_hosts
from tests.abuse.letters import arf, broken, html, nested, plain, xarf_attached, zip_bomb
from tests.abuse.test_reports_api import xarf4

HOSTS = own_hosts(Settings(domain="social.example"))
URL = "https://social.example/@sam/113"


def test_words_with_addresses_are_a_report() -> None:
    mail = read_mail(
        plain(f"Please look at hxxps://social[.]example/@sam/113 and\n<{URL}4>.", subject="[AbuseID:4D71F2:1A] hello"),
        HOSTS,
    )
    assert mail.sender == "abuse@host.example"
    assert mail.understood.urls == ("hxxps://social.example/@sam/113", f"{URL}4")
    assert mail.understood.reference == "AbuseID:4D71F2:1A"
    assert mail.understood.format == "mail"
    assert "Please look" in mail.understood.statement


def test_an_arf_report_is_understood() -> None:
    mail = read_mail(arf([URL, f"{URL}5"], kind="fraud"), HOSTS)
    assert mail.understood.format == "arf"
    assert mail.understood.urls == (URL, f"{URL}5")
    assert mail.understood.harms == ("feedback:fraud",)
    assert mail.understood.reference == "AbuseID:4D71F2:1A"
    assert not mail.is_bounce


def test_a_xarf_report_is_understood_attached_or_among_words() -> None:
    import json

    attached = read_mail(xarf_attached(xarf4(URL)), HOSTS).understood
    assert (attached.format, attached.urls) == ("xarf4", (URL,))
    assert "harm:incitement" in attached.harms
    assert attached.reference == "Ticket#2026-77"
    inline = read_mail(plain("Dear all,\n\n" + json.dumps(xarf4(URL), indent=2) + "\n\nRegards"), HOSTS).understood
    assert (inline.format, inline.urls) == ("xarf4", (URL,))


def test_html_becomes_words_and_nothing_of_it_runs() -> None:
    body = (
        f"<script>alert(1)</script><p>see <a href='{URL}'>this</a></p><style>x{{}}</style><img src=x onerror=alert(2)>"
        "<svg><script>alert(3)</script></svg>"
    )
    mail = read_mail(html(body), HOSTS)
    assert mail.understood.urls == (URL,)
    assert "alert" not in mail.understood.statement
    assert "<" not in mail.understood.statement
    assert html_text("<p>a</p><p>b</p>") == "a\nb"


@pytest.mark.parametrize("number", range(len(broken(URL))))
def test_a_broken_mail_is_read_as_far_as_it_can_be(number: int) -> None:
    mail = read_mail(broken(URL)[number], HOSTS)
    assert all(URL.startswith(one[:20]) or one for one in mail.understood.urls)
    if number not in (4,):
        assert mail.understood.urls == (URL,), number


def test_what_would_cost_too_much_is_refused_with_a_sentence() -> None:
    for raw, code in (
        (nested(2000, URL), 554),
        (b"X-Long: " + b"a" * 1_000_000 + b"\r\n\r\nwords", 554),
        (b"From: a@b.example\r\n" + b"X: y\r\n" * 200_000 + b"\r\nwords", 554),
        (b"From: a@b.example\r\n\r\n" + b"x" * (MOST_BYTES + 1), 552),
    ):
        with pytest.raises(Refused) as refused:
            read_mail(raw, HOSTS)
        assert refused.value.code == code
        assert len(refused.value.text) > 10


def test_hostile_mails_are_read_in_a_moment() -> None:
    hostile = [
        nested(29, URL),
        zip_bomb(URL),
        plain("\n".join(f"https://social.example/@sam/{n}" for n in range(60_000))),
        plain("(" * 500_000 + "[.]" * 100_000),
        plain("{" * 100_000 + '"xarf_version"'),
        html("<div>" * 200_000 + "<a href=" * 50_000),
        plain("https://" * 100_000),
        b"From: " + b"(" * 200_000 + b"\r\n\r\nx",
        b"From: a@b.example\r\nReferences: " + b"<x@y> " * 30_000 + b"\r\n\r\nx",
        b"From: a@b.example\r\nSubject: " + b"=?utf-8?q?=41?= " * 10_000 + b"\r\n\r\nx",
        b"From: a@b.example\r\nAuthentication-Results: relay; " + b"(" * 100_000 + b"\r\n\r\nx",
    ]
    for raw in hostile:
        began = time.process_time()
        mail = read_mail(raw, HOSTS, relay="relay")
        assert time.process_time() - began < 4, raw[:60]
        assert len(mail.understood.urls) <= 500
        assert len(mail.understood.statement) <= 20_000


@settings(max_examples=60, deadline=2000)
@given(st.binary(max_size=3000))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    read_mail(raw, HOSTS)
    read_mail(
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + raw + b"\r\n--x--", HOSTS
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ""),
        ({"Auto_Submitted": "no"}, ""),
        ({"Auto_Submitted": "auto-generated"}, "generated"),
        ({"Auto_Submitted": "auto-replied; owner-email=x"}, "replied"),
        ({"Precedence": "bulk"}, "replied"),
        ({"List_Id": "<list.host.example>"}, "replied"),
        ({"Return_Path": "<>"}, "replied"),
        ({"sender": "MAILER-DAEMON@host.example"}, "replied"),
        ({"sender": "no-reply@host.example"}, "generated"),
    ],
)
def test_programs_are_told_from_people(headers: dict[str, str], expected: str) -> None:
    assert read_mail(plain("words", **headers), HOSTS).automatic == expected


@pytest.mark.parametrize(
    ("header", "vouched"),
    [
        ("relay.social.example; dkim=pass header.d=host.example", True),
        ("relay.social.example 1; spf=pass smtp.mailfrom=bounce@mail.host.example", False),
        ("relay.social.example; spf=pass (all is well) smtp.mailfrom=abuse@host.example", True),
        ("relay.social.example; dmarc=pass header.from=host.example", True),
        ("relay.social.example; dkim=fail header.d=host.example; spf=softfail smtp.mailfrom=host.example", False),
        ("relay.social.example; dkim=pass header.d=evil.example", False),
        ("relay.social.example; dkim=pass header.d=example", False),
        ("elsewhere.example; dkim=pass header.d=host.example", False),
        ("relay.social.example; none", False),
        ("elsewhere.example (relay.social.example; dkim=pass header.d=host.example)", False),
    ],
)
def test_only_our_own_relay_is_believed(header: str, vouched: bool) -> None:
    found = authenticated_domains([header], "relay.social.example", "host.example")
    assert found == (frozenset({"host.example"}) if vouched else frozenset())
    assert authenticated_domains([header], "", "host.example") == frozenset()


def test_a_forged_result_below_the_relays_own_does_not_count() -> None:
    headers = ["relay.social.example; dkim=none", "relay.social.example; dkim=pass header.d=host.example"]
    assert authenticated_domains(headers, "relay.social.example", "host.example") == frozenset()


def test_nobody_vouches_for_two_authors() -> None:
    raw = plain(
        "words",
        sender="a@host.example, b@evil.example",
        Authentication_Results="relay; dkim=pass header.d=host.example",
    )
    assert read_mail(raw, HOSTS, relay="relay").authenticated == frozenset()


@pytest.mark.parametrize(
    ("subject", "reference"),
    [
        ("Abuse [AbuseID:4D71F2:1A]: reply needed", "AbuseID:4D71F2:1A"),
        ("[#AWS-12345] Your instance", "#AWS-12345"),
        ("Case: 88123 opened", "Case: 88123"),
        ("An ordinary subject", ""),
        ("[EXTERNAL MAIL] hello", ""),
    ],
)
def test_references_of_others_are_found(subject: str, reference: str) -> None:
    assert reference_in(subject) == reference
