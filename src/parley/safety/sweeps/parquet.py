"""History as files, for corpora that no single machine judges: questions and answers in Parquet, with checksums.

An export is a folder: parts with content, facts and ids, and `manifest.json` with the hash of each, the range of
results that they cover and what the ruleset is made of; no database is needed to judge it. Whoever can change such a
folder can change verdicts, so it is kept where only operators write. Needs the extra `cluster` (pyarrow).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from parley.kit.errors import Invalid
from parley.safety.history import Past
from parley.safety.judging import Answer, Question, judge_all, load_source
from parley.screening import Content, Facts, Ruleset, Verdict
from parley.social.policies.sources import RulesetSource

if TYPE_CHECKING:
    import pyarrow

MANIFEST, SOURCE, MODEL = "manifest.json", "ruleset.msgpack", "model"
BATCH = 500
_json = msgspec.json.Encoder()
_content = msgspec.json.Decoder(Content)
_facts = msgspec.json.Decoder(Facts)
_verdict = msgspec.json.Decoder(Verdict)


class Part(msgspec.Struct, frozen=True):
    """One file of a folder; its ids are greater than those of the part before."""

    name: str
    rows: int
    first_id: int
    last_id: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds. `kind` is history or verdicts; results with after_id < id <= until_id are covered."""

    kind: str
    ruleset: str
    after_id: int
    until_id: int
    parts: tuple[Part, ...]
    source_sha256: str = ""


def arrow() -> Any:
    """pyarrow, with its Parquet part; raises Invalid with what to install."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise Invalid("Parquet needs pyarrow: pip install 'parley[cluster]'.") from error
    return pyarrow


def write_questions(path: Path, pasts: Sequence[Past]) -> Part:
    """One part of an export."""
    columns: dict[str, list[Any]] = {
        "id": [past.id for past in pasts],
        "subject_type": [past.subject_type for past in pasts],
        "subject_id": [past.subject_id for past in pasts],
        "revision": [past.revision for past in pasts],
        "account_id": [past.account_id for past in pasts],
        "outcome": [past.outcome for past in pasts],
        "clause": [past.clause for past in pasts],
        "created_at": [past.created_at for past in pasts],
        "content": [_json.encode(past.content).decode() for past in pasts],
        "facts": [_json.encode(past.facts).decode() for past in pasts],
    }
    return _write(path, columns, [past.id for past in pasts])


def _write(path: Path, columns: dict[str, list[Any]], ids: Sequence[int]) -> Part:
    pyarrow = arrow()
    temporary = path.with_suffix(".unfinished")
    types = {"clause": pyarrow.string(), "verdict": pyarrow.string(), "rules": pyarrow.list_(pyarrow.string())}
    table = pyarrow.table({name: pyarrow.array(values, types.get(name)) for name, values in columns.items()})
    pyarrow.parquet.write_table(table, temporary, compression="zstd", row_group_size=BATCH)
    temporary.replace(path)
    return Part(path.name, len(ids), ids[0] if ids else 0, ids[-1] if ids else 0, hash_file(path))


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Last of all: a folder without it is not finished."""
    temporary = folder / f"{MANIFEST}.unfinished"
    temporary.write_bytes(msgspec.json.format(_json.encode(manifest), indent=1))
    temporary.replace(folder / MANIFEST)


def read_manifest(folder: Path, kind: str) -> Manifest:
    """What a folder holds; raises Invalid for one that is not finished, or of another kind."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise Invalid(f"{folder} has no {MANIFEST}: it is not finished, or not made by `parley sweep`.") from error
    except msgspec.MsgspecError as error:
        raise Invalid(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.kind != kind:
        raise Invalid(f"{folder} holds {manifest.kind}, not {kind}.")
    for part in manifest.parts:
        if Path(part.name).name != part.name:
            raise Invalid(f"{MANIFEST} names {part.name!r}, which is not in its own folder.")
    return manifest


def check_part(folder: Path, part: Part) -> Path:
    """The path of a part; raises Invalid when it is not what the manifest says."""
    path = folder / part.name
    if not path.is_file() or hash_file(path) != part.sha256:
        raise Invalid(f"{path} is missing or damaged: make the folder again.")
    return path


def write_source(folder: Path, source: RulesetSource) -> str:
    """Put beside the parts what the ruleset is made of, its model too if it has one of its own; returns a hash."""
    if source.model:
        shutil.copytree(source.model, folder / MODEL)
        source = msgspec.structs.replace(source, model=MODEL)
    (folder / SOURCE).write_bytes(msgspec.msgpack.encode(source))
    return hash_file(folder / SOURCE)


def load_exported_ruleset(folder: Path, manifest: Manifest) -> Ruleset:
    """The ruleset of an export. Raises Invalid when this program, or its model, would judge otherwise."""
    path = folder / SOURCE
    if not path.is_file() or hash_file(path) != manifest.source_sha256:
        raise Invalid(f"{path} is missing or damaged: make the folder again.")
    source = msgspec.msgpack.decode(path.read_bytes(), type=RulesetSource)
    if source.model:
        source = msgspec.structs.replace(source, model=str(folder / MODEL))
    ruleset = load_source(source)
    if ruleset.sha256 != manifest.ruleset:
        raise Invalid(
            f"This machine judges by {ruleset.sha256[:12]} instead of {manifest.ruleset[:12]}: install the same "
            "version of the program there as where the export was made."
        )
    return ruleset


def read_questions(path: Path) -> Iterator[list[Question]]:
    """The questions of a part, some at a time."""
    for batch in arrow().parquet.ParquetFile(path).iter_batches(BATCH):
        rows: pyarrow.RecordBatch = batch
        columns = rows.to_pydict()
        yield [
            Question(id_, _content.decode(content), _facts.decode(facts), outcome, clause)
            for id_, content, facts, outcome, clause in zip(
                *(columns[name] for name in ("id", "content", "facts", "outcome", "clause")), strict=True
            )
        ]


def judge_part(path: Path, to: Path, ruleset: Ruleset) -> Part:
    """Judge one part and write its verdicts under the same name in another folder."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("id", "outcome", "clause", "degraded", "rules", "was", "verdict")
    }
    for questions in read_questions(path):
        for question, answer in zip(questions, judge_all(questions, ruleset), strict=True):
            columns["id"].append(answer.id)
            columns["outcome"].append(answer.outcome)
            columns["clause"].append(answer.clause)
            columns["degraded"].append(answer.degraded)
            columns["rules"].append(list(answer.rules))
            columns["was"].append(question.outcome)
            whole = None if answer.verdict is None else _json.encode(answer.verdict).decode()
            columns["verdict"].append(whole)
    return _write(to / path.name, columns, columns["id"])


def read_answers(path: Path) -> Iterator[tuple[list[Answer], list[str]]]:
    """The verdicts of a part, some at a time, and the outcomes that were on record."""
    for batch in arrow().parquet.ParquetFile(path).iter_batches(BATCH):
        columns = batch.to_pydict()
        answers = [
            Answer(
                id=id_,
                outcome=outcome,
                clause=clause,
                degraded=degraded,
                rules=tuple(rules),
                logged=(),
                scores={},
                because=((decoded := _verdict.decode(verdict) if verdict else None) and decoded.because) or (),
                verdict=decoded,
            )
            for id_, outcome, clause, degraded, rules, verdict in zip(
                *(columns[name] for name in ("id", "outcome", "clause", "degraded", "rules", "verdict")), strict=True
            )
        ]
        yield answers, columns["was"]
