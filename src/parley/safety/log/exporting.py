"""Handing the log out: every entry as a line of JSON, with a signed end that an outsider checks without us.

`tools/parley_verify.py` reads what is written here; whoever changes the form changes both, and raises FORMAT.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

import parley
from parley.kit.clock import iso, now
from parley.kit.db import Database, Tx
from parley.kit.merkle import Tree
from parley.kit.settings import Settings
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.log import store_chain
from parley.safety.log.store_chain import CheckpointRow
from parley.safety.log.store_fold import RowDigest
from parley.safety.log.verifying import NO_END, Progress
from parley.safety.log.views import Exported

FORMAT = 1
VERIFIER = "parley_verify.py"

_canonical = msgspec.json.Encoder(order="sorted")


def verifier_file() -> Path:
    """The stand-alone program that checks exports and packages: inside an installed package, or in a checkout."""
    inside = Path(parley.__file__).parent / "tools" / VERIFIER
    return inside if inside.is_file() else Path(parley.__file__).parents[2] / "tools" / VERIFIER


async def export_log(db: Database, settings: Settings, path: Path, *, progress: Progress | None = None) -> Exported:
    """Write the whole log to `path`, compressed when that ends in .gz, and the program that checks it beside it."""
    async with db.read() as tx, tx.transaction(isolation="repeatable_read", readonly=True):
        with _opened(path) as file:
            exported = await _write(tx, settings, file, progress)
    verifier = path.with_name(VERIFIER)
    verifier.write_bytes(verifier_file().read_bytes())
    return exported


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, which is there whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with gzip.open(draft, "wb", compresslevel=5) if path.suffix == ".gz" else draft.open("wb") as file:
            yield file  # type: ignore[misc]
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


async def _write(tx: Tx, settings: Settings, file: IO[bytes], progress: Progress | None) -> Exported:
    checkpoints = (await store_chain.list_checkpoints(tx, NO_END, NO_END))[::-1]
    total = await store_chain.count_entries(tx) if progress else 0
    tree, last, moment = Tree(), b"", iso(now())
    _line(
        file,
        {
            "kind": "parley moderation log",
            "format": FORMAT,
            "instance": settings.local_domain,
            "at": moment,
            "checkpoints": [one.seq for one in checkpoints],
        },
    )
    async for rows in store_chain.list_chain(tx):
        for seq, entry_id, _, stored, body, *_ in rows:
            last = bytes(stored or b"")
            tree.add(last)
            _line(file, {"seq": seq, "id": str(entry_id), "hash": last.hex(), "body": body})
        if progress:
            progress(tree.count, total)
    tables = {table: await _digest(tx, table) for table, _ in await store_chain.list_logged_tables(tx)}
    signed = _canonical.encode(
        {
            "kind": "parley moderation log export",
            "instance": settings.local_domain,
            "at": moment,
            "seq": tree.count,
            "hash": last.hex(),
            "root": tree.root.hex(),
            "tables": tables,
        }
    )
    key = public_key_of(settings)
    _line(
        file,
        {
            "kind": "end",
            "signed": signed.decode(),
            "signature": sign(settings, signed).hex(),
            "public_key": key.hex(),
            "checkpoints": [describe_head(one) for one in checkpoints],
        },
    )
    return Exported(tree.count, last.hex(), fingerprint_of(key), sum(told["rows"] for told in tables.values()))


def describe_head(head: CheckpointRow) -> dict[str, str]:
    """A signed head as it is handed out."""
    return {"signed": head.signed, "signature": head.signature.hex(), "public_key": head.public_key.hex()}


async def _digest(tx: Tx, table: str) -> dict[str, Any]:
    total = RowDigest()
    async for rows in store_chain.list_rows(tx, table):
        for row_id, contents in rows:
            total.add(row_id, contents)
    return {"columns": total.columns, "rows": total.count, "sha256": total.hexdigest}


def _line(file: IO[bytes], value: Any) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
