"""Shortened addresses in notices: which there are. A job follows them: following_jobs.py. Nothing is asked here.

Only the shorteners that the policy names (`links.yaml`) are asked: whatever else somebody writes into a notice is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.safety.notices.urls import find_short_urls, refang
from parley.screening import live_ruleset
from parley.screening.banks import read_link

MOST_FOLLOWED = 20
"""Of one notice; who hides more addresses than this behind shorteners can name them."""
LONGEST = 2000


def list_short_links(urls: Sequence[str], statement: str) -> list[str]:
    """Addresses that hide where they lead: of those that a notice names, then of its words; as written."""
    named = [url for url in urls if is_short(url)]
    found = find_short_urls(statement, is_short, limit=MOST_FOLLOWED)
    return list(dict.fromkeys([*named, *found]))[:MOST_FOLLOWED]


def is_short(url: str) -> bool:
    """Whether the address is one of a shortener that the policy names."""
    return followed_as(url) != ""


def followed_as(url: str) -> str:
    """The address as it is asked for; empty for one that is no shortener's."""
    if len(url) > LONGEST:
        return ""
    plain = refang(url)
    link = read_link(plain if "://" in plain[:12] else f"https://{plain}")
    known = link.scheme in ("http", "https") and live_ruleset().links.is_shortener(link)
    return link.href if known else ""
