"""Imports inside a room, and between doors and rooms, go the way the house says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shape.source import PACKAGE, imports_of, is_store, modules, name_of

STORES = {name_of(path) for path in modules() if is_store(path)}

# What each kind of file in a room must not import from its own or any other room.
FORBIDDEN = {
    "store": ("visibility", "reads", "actions", "jobs"),
    "visibility": ("reads", "actions", "jobs"),
    "reads": ("actions", "jobs"),
}


def kind_of(path: Path) -> str | None:
    """store, visibility or reads, for files and folders of that name."""
    if is_store(path):
        return "store"
    for part in (path.stem, path.parent.name):
        for kind in FORBIDDEN:
            if part == kind or part.startswith(f"{kind}_"):
                return kind
    return None


@pytest.mark.parametrize("door", ["api", "web", "federation", "abuse"])
def test_a_door_never_imports_a_store(door: str) -> None:
    offenders = [
        f"{name_of(path)} imports {name}"
        for path in modules()
        if path.is_relative_to(PACKAGE / door) and door != "federation"
        for name in imports_of(path)
        if name in STORES
    ]
    assert offenders == []


def test_a_store_is_imported_only_inside_its_own_room() -> None:
    offenders = []
    for path in modules():
        parts = name_of(path).split(".")
        room = ".".join(parts[:3] if parts[1:2] == ["social"] else parts[:2])
        for name in imports_of(path):
            if name in STORES and not name.startswith((f"{room}.", "parley.kit.")):
                offenders.append(f"{name_of(path)} imports {name}")
    assert offenders == []


def test_inside_a_room_imports_go_down() -> None:
    offenders = []
    for path in modules():
        kind = kind_of(path)
        if kind is None or name_of(path).split(".")[1] not in ("social", "safety"):
            continue
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "parley" and any(part in FORBIDDEN[kind] for part in parts[2:]):
                offenders.append(f"{name_of(path)} imports {name}")
    assert offenders == []


def test_only_stores_and_kit_import_the_driver() -> None:
    allowed = {"parley.kit.db", "parley.kit.driver", "parley.kit.nodes"}
    offenders = [
        name_of(path)
        for path in modules()
        if any(name.split(".")[0] == "asyncpg" for name in imports_of(path))
        and name_of(path) not in allowed
        and not is_store(path)
    ]
    assert offenders == []


def test_no_file_is_called_by_a_word_that_says_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "manager", "misc", "base"}
    assert [name_of(path) for path in modules() if path.stem in vague] == []
