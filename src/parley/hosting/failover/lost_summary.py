"""The page of a lost-writes report that people read: what was written by whom, under headings. Text only.

It knows some tables by name, to say what their rows mean; the others are counted. Every row is in the JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MOST_LINES = 2000
"""So many under each heading; the rest is in the JSON lines."""

Row = dict[str, Any]
Names = Callable[[Any], str]


def _text(row: Row) -> str:
    said = " / ".join(part for part in (row.get("spoiler_text"), row.get("text")) if part)
    return " ".join(str(said).split()) or "(no text)"


def _post(row: Row, name: Names) -> str:
    if row.get("reblog_of_id"):
        return f"{name(row['account_id'])} boosted the post {row['reblog_of_id']}"
    answer = f", in answer to {row['in_reply_to_id']}" if row.get("in_reply_to_id") else ""
    return f"{row['id']} by {name(row['account_id'])} ({row['visibility']}{answer}): {_text(row)}"


def _message(row: Row, name: Names) -> str:
    to = ", ".join(name(one) for one in row.get("mentioned_ids") or []) or "nobody"
    return f"{row['id']} by {name(row['account_id'])} to {to}: {_text(row)}"


def _pair(verb: str) -> Callable[[Row, Names], str]:
    return lambda row, name: f"{name(row['account_id'])} {verb} {name(row['target_id'])}"


def _about_status(verb: str) -> Callable[[Row, Names], str]:
    return lambda row, name: f"{name(row['account_id'])} {verb} the post {row['status_id']}"


def _vote(row: Row, name: Names) -> str:
    return f"{name(row['account_id'])} voted for choice {row['choice']} of the poll {row['poll_id']}"


def _upload(row: Row, name: Names) -> str:
    what = str(row.get("description") or "").strip() or "no description"
    return f"{row['id']} by {name(row['account_id'])}: {row.get('file') or row.get('upload_file')} ({what})"


def _member(row: Row, name: Names) -> str:
    return f"@{row.get('username') or name(row.get('account_id'))}"


def _plain(row: Row, name: Names) -> str:
    shown = {key: value for key, value in row.items() if value not in (None, "", [], {}) and not key.endswith("_hash")}
    return ", ".join(f"{key}: {value}" for key, value in list(shown.items())[:12])[:500]


LINES: dict[str, tuple[str, Callable[[Row, Names], str]]] = {
    "statuses": ("Posts", _post),
    "follows": ("Follows", _pair("followed")),
    "follow_requests": ("Follows", _pair("asked to follow")),
    "blocks": ("Blocks and mutes", _pair("blocked")),
    "mutes": ("Blocks and mutes", _pair("muted")),
    "poll_votes": ("Votes", _vote),
    "favourites": ("Favourites and bookmarks", _about_status("favourited")),
    "bookmarks": ("Favourites and bookmarks", _about_status("bookmarked")),
    "media": ("Uploads", _upload),
    "accounts": ("Accounts", _member),
    "profile_revisions": ("Accounts", _plain),
    "scheduled_statuses": ("Scheduled posts", _plain),
}
"""Table: under which heading its rows stand, and how one reads."""

MODERATION = (
    *("report", "case", "decision", "strike", "appeal", "notice", "provider", "legal", "evidence", "incident", "jury"),
    *("juries", "moderation", "account_restrictions", "interim", "golden", "quality", "required_changes"),
)
"""How the names of the desk's tables begin: all their rows stand under one heading, in full."""

ORDER = (
    *("Posts", "Direct messages", "Changed and deleted posts", "Follows", "Blocks and mutes", "Votes"),
    *("Favourites and bookmarks", "Uploads", "Accounts", "Scheduled posts", "Moderation"),
)
WHAT = {"only_here": "", "changed_here": "[changed] ", "deleted_here": "[deleted] "}


class Summary:
    """The lines that are gathered while the rows are compared."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[str, Callable[[Row, Names], str], Row]]] = {}
        self._more: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self.accounts: set[int] = set()

    def take(self, table: str, what: str, row: Row, there: Row | None) -> None:
        """One difference; `row` as the old host has it, or had it before it deleted it."""
        heading, line = LINES.get(table, ("", _plain))
        if table == "statuses" and row.get("visibility") == "direct":
            heading, line = "Direct messages", _message
        if table == "statuses" and what != "only_here":
            if what == "changed_here" and there is not None and not _was_edited(row, there):
                self._counted[table] = self._counted.get(table, 0) + 1
                return
            heading = "Changed and deleted posts"
        if not heading and table.startswith(MODERATION):
            heading = "Moderation"
            line = _of_table(table)
        if not heading:
            self._counted[table] = self._counted.get(table, 0) + 1
            return
        lines = self._lines.setdefault(heading, [])
        if len(lines) >= MOST_LINES:
            self._more[heading] = self._more.get(heading, 0) + 1
            return
        lines.append((WHAT[what], line, row))
        for key in ("account_id", "target_id"):
            if isinstance(row.get(key), int):
                self.accounts.add(row[key])
        self.accounts |= set(row.get("mentioned_ids") or [])

    def text(self, head: Row, names: dict[str, str]) -> str:
        """The page. `head` is the report's head, `names` are usernames by account id."""

        def name(account_id: Any) -> str:
            known = names.get(str(account_id))
            return f"@{known}" if known else f"account {account_id}"

        lines = _opening(head)
        for heading in ORDER:
            found = self._lines.get(heading, [])
            if not found:
                continue
            lines += ["", f"{heading} ({len(found) + self._more.get(heading, 0)})", "-" * (len(heading) + 6)]
            lines += [f"  {said}{line(row, name)}" for said, line, row in found]
            if self._more.get(heading):
                lines.append(f"  ... and {self._more[heading]} more, in rows/*.jsonl")
        if self._counted:
            lines += ["", "Everything else, in rows/*.jsonl", "--------------------------------"]
            lines += [f"  {table}: {count}" for table, count in sorted(self._counted.items())]
        return "\n".join([*lines, ""])


def _was_edited(here: Row, there: Row) -> bool:
    return any(here.get(key) != there.get(key) for key in ("text", "spoiler_text", "deleted_at", "state", "revision"))


def _of_table(table: str) -> Callable[[Row, Names], str]:
    return lambda row, name: f"{table}: {_plain(row, name)}"


def _number(transactions: int) -> str:
    return str(transactions) if transactions >= 0 else "not known; all tables were compared, without deleted rows"


def _opening(head: Row) -> list[str]:
    told = (
        "This host waited for its standby before it acknowledged anything: nobody was told that any of this had "
        "worked, and those who tried again afterwards have it on the new host."
        if head["waited"]
        else "This host did not wait for its standby: people may have been told that this had worked."
    )
    if not head["transactions"]:
        return [f"The host {head['host']} had written nothing that {head['new_host']} does not have. Nothing was lost."]
    return [
        f"What only the host {head['host']} had written when {head['new_host']} took over (epoch {head['epoch']}).",
        f"Made at {head['made_at']}. Transactions after {head['left_at']}: {_number(head['transactions'])}.",
        told,
        f"Files that only it had: {head['files']} (in files/).",
        *(f"  nowhere to be found: {one}" for one in head["missing_files"]),
    ]
