"""Judging exported history in processes beside this one, or on a Ray cluster: the same function on the same files.

A part is judged whole by one process and its verdicts are a file of the same name, so both ways give equal folders.
On a cluster the folders must lie where all of its machines read and write them.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import msgspec

from parley.kit.errors import Invalid
from parley.kit.processes import end_with_parent
from parley.safety.progress import Progress, quiet
from parley.safety.sweeps import parquet
from parley.safety.sweeps.parquet import Manifest, Part
from parley.screening import Ruleset

Where = Literal["local", "ray"]


def judge_export(
    folder: Path, to: Path, *, on: Where, processes: int = 1, address: str = "", progress: Progress = quiet
) -> Manifest:
    """Judge an export and write its verdicts to another folder; goes on where an earlier call was cut off.

    `address` is that of a running cluster; without one Ray starts on this machine. Raises Invalid.
    """
    manifest = parquet.read_manifest(folder, "history")
    parquet.load_exported_ruleset(folder, manifest)  # before anything is started: it must be the very one
    if to.resolve() == folder.resolve():
        raise Invalid("Give another folder for the verdicts than that of the export.")
    to.mkdir(parents=True, exist_ok=True)
    for part in manifest.parts:
        parquet.check_part(folder, part)
    missing = [part.name for part in manifest.parts if not (to / part.name).is_file()]
    judge = _judge_by_ray if on == "ray" else _judge_here
    done = len(manifest.parts) - len(missing)
    progress(done, len(manifest.parts))
    for _ in judge(folder, to, missing, processes, address) if missing else ():
        done += 1
        progress(done, len(manifest.parts))
    parts = tuple(
        Part(part.name, part.rows, part.first_id, part.last_id, parquet.hash_file(to / part.name))
        for part in manifest.parts
    )
    verdicts = msgspec.structs.replace(manifest, kind="verdicts", parts=parts, source_sha256="")
    parquet.write_manifest(to, verdicts)
    return verdicts


class _Judge:
    """One judging process: loads the ruleset and the models once, then takes part after part."""

    def __init__(self, folder: str, to: str) -> None:
        self.folder, self.to = Path(folder), Path(to)
        self.ruleset: Ruleset = parquet.load_exported_ruleset(
            self.folder, parquet.read_manifest(self.folder, "history")
        )

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        part = parquet.judge_part(self.folder / str(row["name"]), self.to, self.ruleset)
        return {"name": part.name, "rows": part.rows}


_mine: _Judge | None = None


def _begin(folder: str, to: str) -> None:
    global _mine
    end_with_parent()
    _mine = _Judge(folder, to)


def _judge_one(name: str) -> int:
    assert _mine is not None
    return int(_mine({"name": name})["rows"])


def _judge_here(folder: Path, to: Path, names: list[str], processes: int, _address: str) -> Iterator[int]:
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(str(folder), str(to))
    ) as pool:
        yield from pool.map(_judge_one, names)


def _judge_by_ray(folder: Path, to: Path, names: list[str], processes: int, address: str) -> Iterator[int]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        ray: Any = importlib.import_module("ray")
        data: Any = importlib.import_module("ray.data")
    except ImportError as error:
        raise Invalid("Ray is not installed: pip install 'parley[cluster]'.") from error
    started = not ray.is_initialized()
    if started:
        own = {} if address else {"num_cpus": processes, "include_dashboard": False}
        ray.init(address=address or None, log_to_driver=False, configure_logging=False, **own)
    try:
        data.DataContext.get_current().enable_progress_bars = False
        parts = data.from_items([{"name": name} for name in names], override_num_blocks=len(names))
        judged = parts.map(
            _Judge,
            fn_constructor_args=(str(folder.resolve()), str(to.resolve())),
            compute=data.ActorPoolStrategy(size=processes),
            num_cpus=1,
        )
        for row in judged.iter_rows():
            yield int(row["rows"])
    finally:
        if started:
            ray.shutdown()
