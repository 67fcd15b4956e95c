"""Links are read as browsers read them, and found in the link bank whatever they wear."""

from __future__ import annotations

import pytest

from parley.screening import Outcome, Ruleset, judge
from parley.screening.banks import LinkBank, LinkEntry, find_links, normalise_domain, read_link
from tests.screening.conftest import MEMBER, TRUSTED, status


@pytest.mark.parametrize(
    "link",
    [
        "https://grabify.link/x", "HTTPS://GRABIFY.LINK", "http://grabify.link./x", "http://www.a.grabify.link/",
        "http://user:pass@grabify.link/", "http://good.example@grabify.link/", "http://grabify.link\\@good.example/",
        "http:/\\grabify.link/", "ht\ntp://gra\tbify.link/", "http://gr%61bify.link/", "http://grabify。link/",
        "http://ｇｒａｂｉｆｙ.link/", "http://grabify.link:8080/", "  https://grabify.link/",
    ],
)  # fmt: skip
def test_a_blocked_site_is_found_however_its_address_is_written(link: str, shipped: Ruleset) -> None:
    assert judge(status("", link), TRUSTED, ruleset=shipped).outcome is Outcome.REJECT


@pytest.mark.parametrize(
    "text",
    ["grabify.link", "see grabify[.]link/x", "hxxps://grabify.link/x", "grabify(dot)link", "(https://grabify.link/x)."],
)
def test_a_blocked_site_is_found_in_the_text(text: str, shipped: Ruleset) -> None:
    assert judge(status(text), TRUSTED, ruleset=shipped).outcome is Outcome.REJECT


@pytest.mark.parametrize(
    "link", ["https://grabify.link.example/", "https://notgrabify.link/", "https://example.org/grabify.link"]
)
def test_a_site_that_only_resembles_a_blocked_one_is_not_blocked(link: str, shipped: Ruleset) -> None:
    assert judge(status("", link), MEMBER, ruleset=shipped).outcome is Outcome.ALLOW


@pytest.mark.parametrize("link", ["https://pаypal.com/", "https://xn--pypal-4ve.com/", "https://paypal.com@x.example/"])
def test_a_misleading_link_is_held(link: str, shipped: Ruleset) -> None:
    verdict = judge(status("", link), MEMBER, ruleset=shipped)
    assert (verdict.outcome, verdict.clause) == (Outcome.HOLD, "7.2")


@pytest.mark.parametrize(
    "link", ["https://bücher.example/", "https://пример.рф/", "https://例え.テスト/", "mailto:a@b.example"]
)
def test_an_international_link_is_not_misleading(link: str, shipped: Ruleset) -> None:
    assert judge(status("", link), MEMBER, ruleset=shipped).outcome is Outcome.ALLOW


def test_international_domains_match_in_either_form() -> None:
    entry = LinkEntry(id="x", tier="hold", clause="7.2", title="x", domains=(normalise_domain("bücher.example"),))
    bank = LinkBank([entry], [])
    for link in ("https://bücher.example/", "https://xn--bcher-kva.example/", "https://shop.BÜCHER.example/"):
        assert bank.find(read_link(link)) == [entry]


@pytest.mark.parametrize("domain", ["", "nodots", "a b.example", "https://x.example/", "x@y.example", "http://"])
def test_a_bank_takes_only_domains(domain: str) -> None:
    with pytest.raises(ValueError, match="is not a domain"):
        normalise_domain(domain)


def test_what_only_looks_like_a_link_is_looked_up_and_never_counted(shipped: Ruleset) -> None:
    found = find_links("I like node.js, e.g. v1.2.3, and bob@mail.example", limit=50)
    assert all(link.bare for link in found)
    verdict = judge(status("I like node.js and asp.net"), MEMBER, ruleset=shipped)
    assert verdict.signals["links.count"] == 0


def test_shorteners_programs_and_addresses_are_counted(shipped: Ruleset) -> None:
    links = ("https://bit.ly/x", "https://example.org/setup.exe?x=1", "http://0x7f.1/", "http://[::1]/")
    signals = judge(status("", *links), TRUSTED, ruleset=shipped).signals
    assert (signals["links.shortened"], signals["links.programs"], signals["links.addresses"]) == (1, 1, 2)
