"""The page of a package that people read: self-contained, printable, without scripts. Pure but for its template.

Everything that members wrote is escaped; no picture is embedded, so that nobody sees one without wanting to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("report.html")

README = """\
This is an evidence package of {instance}, made {created_at}.

  report.html          what was captured and decided, for people: no scripts, may be printed
  evidence.json        the same for machines
  snapshots/ID.json    each thing as it was, byte for byte as its SHA-256 stands in the moderation log
  files/               copies of pictures, films and sounds, named by their SHA-256
  log/entries.jsonl    the entries of the moderation log about all this, each with a proof (RFC 9162)
  log/head.json        the signed head of the log, to which the proofs lead
  manifest.json        every file here with its SHA-256 and size
  manifest.sig.json    the signature of manifest.json (Ed25519), and the public key
  parley_verify.py     a program that checks all of this, in plain Python, to be read

To check it:  python3 parley_verify.py PACKAGE.zip --key {fingerprint}

Compare that fingerprint with https://{instance}/.well-known/parley-key, and the head with
https://{instance}/.well-known/parley-checkpoints: it is published there, so that nobody can make another log later.
Take parley_verify.py from a source that you trust rather than from the package that it is to check.
"""


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["at"] = _at
    return environment.from_string(TEMPLATE.read_text())


def _at(moment: datetime | str) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if isinstance(moment, datetime) else moment[:19].replace("T", " ")


RELATIONS = {
    "parent": "It answers",
    "reply": "It is answered by",
    "quoted": "It quotes",
    "boosted": "It passes on",
}


def render_report(**values: Any) -> bytes:
    """The page."""
    page: str = _template().render(**values)
    return page.encode()


def texts_of(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a snapshot says, piece by piece, for people: label and text."""
    found: list[dict[str, str]] = []
    for other in reversed(content.get("context") or ()):
        found += _of_status(other["status"], f"{RELATIONS[other['relation']]} @{other['account']['acct']}")
    account = content.get("account") or {}
    if content.get("status"):
        found += _of_status(content["status"], f"@{account.get('acct', '')} wrote")
    for message in content.get("messages") or ():
        author = (content.get("authors") or {}).get(message["account_id"], {})
        found += _of_status(message, f"@{author.get('acct', '')} wrote")
    if content.get("media"):
        found += _said([("Description of the file", content["media"].get("description"))])
    if account and not content.get("status"):
        found += _said([("Display name", account.get("display_name")), ("Profile", account.get("note"))])
        found += _said([(f"Profile, {one['name']}", one["value"]) for one in account.get("fields") or ()])
    for status in content.get("recent") or ():
        found += _of_status(status, "Wrote before")
    return found


def _of_status(status: Mapping[str, Any], label: str) -> list[dict[str, str]]:
    when = _at(str(status.get("created_at", "")))
    said: list[tuple[str, str | None]] = [(f"{label} ({when}), behind the warning", status.get("spoiler_text"))]
    said += [(f"{label} ({when}, {status.get('visibility', '')})", status.get("text"))]
    said += [(f"{label}: choice of a poll", option) for option in status.get("poll") or ()]
    said += [(f"{label}: description of a file", one.get("description")) for one in status.get("media") or ()]
    return _said(said)


def _said(pairs: Sequence[tuple[str, str | None]]) -> list[dict[str, str]]:
    return [{"label": label, "text": text} for label, text in pairs if text]
