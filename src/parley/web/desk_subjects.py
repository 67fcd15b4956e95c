"""What a moderator sees of a subject: the evidence as it was seen, beside what it is now. Plain text, never HTML.

Links in reported content are not made into links here: nobody should open one by accident. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from parley.kit.settings import Settings
from parley.safety.cases.views import SubjectView
from parley.social.media.reads import file_address
from parley.social.media.views import MediaView
from parley.web.desk_evidence import kept_address
from parley.web.desk_words import subject_word

RELATIONS = {"parent": "answers", "ancestor": "before it", "quoted": "quotes", "reply": "answered by"}
_PICTURES = ("image", "gifv", "video")


class SeenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a post. `source` and `preview` are addresses, empty where it is not on the server any more."""

    kind: str
    description: str
    source: str = ""
    preview: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether it is played."""
        return self.kind in ("video", "gifv", "audio")


class SeenLine(msgspec.Struct, frozen=True):
    """A post around it in its thread."""

    relation: str
    acct: str
    text: str


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Content as text. `about` are facts in a few words: visibility, language, when it was written."""

    text: str = ""
    warning: str = ""
    choices: tuple[str, ...] = ()
    files: tuple[SeenFile, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    about: tuple[str, ...] = ()
    context: tuple[SeenLine, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.text or self.warning or self.choices or self.files or self.fields)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One subject of a case as the page shows it. `value` names it in the form."""

    subject: SubjectView
    value: str
    title: str
    seen: Seen | None
    now: Seen | None
    """What is there instead, where that is something else."""
    gone: str
    """What became of it since, in words; empty where it is as it was."""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for a decision."""
        return self.subject.settled_at is None


GONE = {
    "author_deleted": "Its author has deleted it since. What you see was kept.",
    "removed": "It is removed.",
    "hidden_interim": "It is hidden until somebody decides.",
    "held": "Screening holds it: only its author sees it.",
    "limited": "It is shown to fewer people.",
    "gone": "It is not there any more. What you see was kept.",
    "quarantined": "It is in quarantine: nobody sees it, not even its author.",
    "suspended": "The account is suspended.",
    "frozen": "The account is frozen.",
}


UNSERVED = ("author_deleted", "gone")


def make_card(subject: SubjectView, settings: Settings, case_id: int) -> Card:
    """A subject as the page shows it. Of files that are not served any more the kept copies are shown."""
    kept, served = _kept_files(subject.seen or {}, case_id), _files_of(subject, settings)
    files = served | kept if subject.state_now in UNSERVED else kept | served
    now = None
    if subject.changed and subject.status is not None:
        status = subject.status
        now = Seen(
            text=status.text,
            warning=status.spoiler_text,
            choices=tuple(option.title for option in status.poll.options) if status.poll else (),
        )
    return Card(
        subject=subject,
        value=f"{subject.type}:{subject.id}:{'' if subject.revision is None else subject.revision}",
        title=subject_word(subject.type),
        seen=read_seen(subject.seen, files) if subject.seen else None,
        now=now,
        gone=GONE.get(subject.state_now, ""),
    )


def read_seen(content: Mapping[str, Any], files: Mapping[str, SeenFile] | None = None) -> Seen:
    """Evidence as text, whichever kind of subject it is of. `files`: those that are still there, by their id."""
    if content.get("status"):
        return _read_status(content["status"], files or {}, content.get("context") or ())
    if content.get("media"):
        return Seen(files=(_file_of(content["media"], files or {}),), text=content["media"].get("image_text") or "")
    if content.get("messages"):
        authors = content.get("authors") or {}
        lines = tuple(
            SeenLine("", _acct(authors.get(one.get("account_id"))), str(one.get("text", "")))
            for one in content["messages"]
        )
        return Seen(context=lines)
    account = content.get("account")
    return _read_profile(account) if account else Seen()


def _read_status(status: Mapping[str, Any], files: Mapping[str, SeenFile], context: Any) -> Seen:
    inner = status.get("reblog") or status
    about = [str(inner.get("visibility", ""))]
    about += [f"in {inner['language']}"] if inner.get("language") else []
    about += ["marked sensitive"] if inner.get("sensitive") else []
    return Seen(
        text=str(inner.get("text") or ""),
        warning=str(inner.get("spoiler_text") or ""),
        choices=tuple(str(one) for one in inner.get("poll") or ()),
        files=tuple(_file_of(media, files) for media in inner.get("media") or ()),
        about=tuple(about),
        context=tuple(_line_of(one) for one in context),
    )


def _read_profile(account: Mapping[str, Any]) -> Seen:
    fields = [("Handle", f"@{account.get('acct', '')}"), ("Name", str(account.get("display_name") or ""))]
    for field in account.get("fields") or ():
        known = field if isinstance(field, Mapping) else {}
        fields.append((str(known.get("name", "")), str(known.get("value", ""))))
    return Seen(text=str(account.get("note") or ""), fields=tuple(pair for pair in fields if pair[1]))


def _line_of(one: Mapping[str, Any]) -> SeenLine:
    status = one.get("status") or {}
    said = str(status.get("spoiler_text") or status.get("text") or "a post without words")
    relation = str(one.get("relation", ""))
    return SeenLine(RELATIONS.get(relation, relation), _acct(one.get("account")), said[:400])


def _acct(account: Any) -> str:
    return str(account.get("acct", "somebody")) if isinstance(account, Mapping) else "somebody"


def _file_of(media: Mapping[str, Any], files: Mapping[str, SeenFile]) -> SeenFile:
    known = files.get(str(media.get("id", "")))
    kind, said = str(media.get("type", "unknown")), str(media.get("description") or "")
    if known is None:
        return SeenFile(kind=kind, description=said)
    return msgspec.structs.replace(known, description=said or known.description)


def _files_of(subject: SubjectView, settings: Settings) -> dict[str, SeenFile]:
    status = subject.status.reblog or subject.status if subject.status else None
    return {str(media.id): _present_file(media, settings) for media in status.media} if status else {}


def _kept_files(content: Mapping[str, Any], case_id: int) -> dict[str, SeenFile]:
    """The files of the evidence by their id, at the addresses of their copies."""
    status = content.get("status") or {}
    media = [*((status.get("reblog") or status).get("media") or ()), *filter(None, (content.get("media"),))]
    found = {}
    for one in media:
        if one.get("file"):
            source = kept_address(case_id, str(one["file"]))
            kind = str(one.get("type", "unknown"))
            preview = source if kind == "image" else ""
            found[str(one.get("id", ""))] = SeenFile(kind=kind, description="", source=source, preview=preview)
    return found


def _present_file(media: MediaView, settings: Settings) -> SeenFile:
    source = file_address(settings, media, media.file) if media.file else ""
    preview = media.preview_file or (media.file if media.type == "image" else None)
    return SeenFile(
        kind=media.type,
        description=media.description,
        source=source,
        preview=file_address(settings, media, preview) if preview and media.type in _PICTURES else "",
    )
