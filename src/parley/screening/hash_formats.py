"""Lists of hashes in the formats that others keep them in: text in, hashes out, and back.

Read: CSV with a header (`hash,type,tags`, in any order and with more columns), the simple CSV and the HMA CSV that
`threatexchange` writes (no header: hash, [id,] ..., tags last), and plain lists of one hash a line, after which a
type, a quality or a timestamp may stand. Written: CSV with a header. Nothing here knows a bank.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

HASH_LENGTHS = {"pdq": 32, "frame": 32, "md5": 16, "sha1": 20, "sha256": 32, "audio": 32}
"""Bytes of each kind of hash."""
NAMES = {
    "pdq": "pdq",
    "hash_pdq": "pdq",
    "imagepdq": "pdq",
    "vpdq": "frame",
    "frame": "frame",
    "pdq_frame": "frame",
    "md5": "md5",
    "hash_md5": "md5",
    "video_md5": "md5",
    "hash_video_md5": "md5",
    "videomd5": "md5",
    "photo_md5": "md5",
    "sha1": "sha1",
    "hash_sha1": "sha1",
    "sha256": "sha256",
    "hash_sha256": "sha256",
    "audio": "audio",
}
"""Our kinds by what others call them, in lower case."""
_COLUMNS = {
    "hash": ("hash", "indicator", "signal", "value", "pdq_hash"),
    "type": ("type", "signal_type", "kind", "algorithm"),
}
_HEX = re.compile(r"[0-9a-fA-F]+")
_BY_LENGTH = {32: "md5", 40: "sha1"}
MOST_TAGS, LONGEST_TAG = 20, 100


class ListedHash(Struct, frozen=True):
    """One hash of a list. `entry` joins the frames of one video, when the list says which belong together."""

    kind: str
    hash: bytes
    tags: tuple[str, ...] = ()
    quality: int = 100
    entry: str = ""


class BadLine(Struct, frozen=True):
    """A line that is no hash, and why."""

    line: int
    why: str


def read_hash(text: str, kind: str) -> bytes:
    """The bytes of a hash in hexadecimal; raises ValueError with a sentence."""
    wanted = HASH_LENGTHS[kind]
    if not _HEX.fullmatch(text) or len(text) != wanted * 2:
        raise ValueError(f"{text[:70]!r} is not a hash of the kind {kind}: that has {wanted * 2} hexadecimal digits")
    return bytes.fromhex(text)


def kind_of_name(name: str) -> str:
    """Our kind for what others call it; raises ValueError."""
    kind = NAMES.get(name.strip().lower().replace("-", "_").replace(" ", "_"))
    if kind is None:
        raise ValueError(f"{name[:40]!r} is not a kind of hash. Known are: pdq, frame, md5, sha1, sha256, audio")
    return kind


def read_hash_list(lines: Iterable[str], *, kind: str | None = None) -> Iterator[ListedHash | BadLine]:
    """Every hash of a list, and every line that is none. `kind` is meant where the list itself does not say.

    64 digits may be PDQ or SHA-256: without `kind` and without a word in the list, such a line is bad.
    """
    header: dict[str, int] | None = None
    for number, cells in enumerate(csv.reader(_without_comments(lines)), 1):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if number == 1 and (found := _header(cells)) is not None:
            header = found
            continue
        try:
            yield _read_row(cells, header, kind)
        except ValueError as error:
            yield BadLine(number, str(error))


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        text = line.replace("\0", "").replace("\ufeff", "")
        yield "\n" if text.lstrip().startswith("#") else text


def _header(cells: list[str]) -> dict[str, int] | None:
    names = [cell.lower() for cell in cells]
    place = next((names.index(name) for name in _COLUMNS["hash"] if name in names), None)
    if place is None:
        return None
    found = {name: at for at, name in enumerate(names)}
    found["hash"] = place
    kinds = next((names.index(name) for name in _COLUMNS["type"] if name in names), None)
    if kinds is not None:
        found["type"] = kinds
    return found


def _read_row(cells: list[str], header: dict[str, int] | None, kind: str | None) -> ListedHash:
    if header is not None:

        def cell(name: str) -> str:
            at = header.get(name, len(cells))
            return cells[at] if at < len(cells) else ""

        named = kind_of_name(cell("type")) if cell("type") else _guess(cell("hash"), kind)
        quality = int(cell("quality")) if cell("quality").isdigit() else 100
        return ListedHash(named, read_hash(cell("hash"), named), _tags(cell("tags")), quality, cell("entry"))
    if len(cells) == 1:  # A plain list: `hash`, `hash type`, `type hash`.
        words = cells[0].split()
        named_words = [word for word in words[:2] if word.lower() in NAMES]
        text = next((word for word in words if word not in named_words), "")
        named = kind_of_name(named_words[0]) if named_words else _guess(text, kind)
        return ListedHash(named, read_hash(text, named))
    second = cells[1].lower() if len(cells) > 1 else ""
    named = NAMES[second] if second in NAMES else _guess(cells[0], kind)
    tags = _tags(cells[-1]) if len(cells) > 2 or second not in NAMES else ()
    return ListedHash(named, read_hash(cells[0], named), tags)


def _guess(text: str, kind: str | None) -> str:
    if kind is not None:
        return kind
    found = _BY_LENGTH.get(len(text))
    if found is None:
        raise ValueError(f"{text[:70]!r}: say which kind of hash this is (--type pdq, sha256 ...)")
    return found


def _tags(text: str) -> tuple[str, ...]:
    parts = (part.strip()[:LONGEST_TAG] for part in re.split(r"[;| ]+|(?<=\S),(?=\S)", text))
    return tuple(dict.fromkeys(part for part in parts if part))[:MOST_TAGS]


def write_hash_list(hashes: Iterable[ListedHash]) -> Iterator[str]:
    """CSV lines with a header, which `read_hash_list` and spreadsheets read back."""
    yield _line(("hash", "type", "tags", "quality", "entry"))
    for one in hashes:
        yield _line((one.hash.hex(), one.kind, " ".join(one.tags), str(one.quality), one.entry))


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
