"""Whether a mail comes from whom it says: the results of our own relay (RFC 8601), and of nobody else's. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMENT = re.compile(r"\([^()]*\)")
_RESULT = re.compile(r"^\s*(spf|dkim|dmarc)\s*=\s*([a-z]+)\b(.*)$", re.IGNORECASE | re.DOTALL)
_PROPERTY = re.compile(r"\b(header\.d|header\.i|header\.from|smtp\.mailfrom)\s*=\s*\"?([^\s;\"]{1,320})", re.IGNORECASE)


def authenticated_domains(headers: Sequence[str], relay: str, from_domain: str) -> frozenset[str]:
    """The author's domain, if our relay found that it vouches for this mail; else nothing.

    Only the topmost header with the relay's own name counts: it is the one that the relay itself put on. SPF and DKIM
    count where they are about the author's own domain, or one above it.
    """
    if not relay or not from_domain:
        return frozenset()
    for header in headers:
        plain = _COMMENT.sub(" ", header)
        name, _, rest = plain.partition(";")
        if name.strip().split(" ")[0].lower() != relay.lower():
            continue
        passed = any(_vouches(one, from_domain) for one in rest.split(";"))
        return frozenset({from_domain}) if passed else frozenset()
    return frozenset()


def _vouches(result: str, from_domain: str) -> bool:
    found = _RESULT.match(result)
    if found is None or found[2].lower() != "pass":
        return False
    method = found[1].lower()
    wanted = {"spf": ("smtp.mailfrom",), "dkim": ("header.d", "header.i"), "dmarc": ("header.from",)}[method]
    named = [value.lower().rpartition("@")[2] for name, value in _PROPERTY.findall(found[3]) if name.lower() in wanted]
    return any(domain == from_domain or from_domain.endswith(f".{domain}") for domain in named if "." in domain)
