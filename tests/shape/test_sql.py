"""SQL stands only in stores and kit, as named constants that take parameters; one function for each query."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.shape.source import PACKAGE, is_store, modules, name_of, tree_of

STATEMENT = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+(RECURSIVE\s+)?\w+(\s*\([^)]*\))?\s+AS\s|"
    r"CREATE\s+(TABLE|INDEX|TYPE)|ALTER\s+(TABLE|SYSTEM)|LOCK\s+TABLE|TRUNCATE\s)"
)
VERBS = ("get_", "list_", "insert_", "update_", "delete_", "count_", "has_", "upsert_", "replace_", "lock_")
ALLOWED_OUTSIDE_STORES = {
    "parley.kit.db",
    "parley.kit.driver",
    "parley.kit.nodes",
    "parley.kit.jobs",
    "parley.kit.migrate",
    "parley.kit.postgres",
}


def strings(path: Path) -> list[tuple[int, str]]:
    """Every string constant of the file that is not a docstring."""
    tree = tree_of(path)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_sql_stands_only_in_stores_and_in_the_plumbing_of_the_database() -> None:
    offenders = [
        f"{name_of(path)}:{line}"
        for path in modules()
        if not is_store(path) and name_of(path) not in ALLOWED_OUTSIDE_STORES
        for line, text in strings(path)
        if STATEMENT.match(text)
    ]
    assert offenders == []


def test_no_sql_is_put_together_from_pieces_at_run_time() -> None:
    offenders = []
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.JoinedStr):
                literal = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                if STATEMENT.match(literal):
                    offenders.append(f"{name_of(path)}:{node.lineno}")
    assert offenders == []


def test_sql_in_stores_is_an_upper_case_constant() -> None:
    offenders = []
    for path in filter(is_store, modules()):
        named = {
            id(inner)
            for node in tree_of(path).body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and target.id.lstrip("_").isupper()
            for inner in ast.walk(node.value)
        }
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and STATEMENT.match(node.value)
                and id(node) not in named
            ):
                offenders.append(f"{name_of(path)}:{node.lineno}")
    assert offenders == []


def test_functions_of_stores_are_named_by_what_they_do() -> None:
    offenders = [
        f"{name_of(path)}.{node.name}"
        for path in filter(is_store, modules())
        for node in tree_of(path).body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith((*VERBS, "_"))
    ]
    assert offenders == []


def test_the_check_sees_sql_when_there_is_some() -> None:
    assert sum(len(strings(path)) for path in filter(is_store, modules())) > 100
    assert STATEMENT.match("\n    SELECT 1")
    assert not STATEMENT.match("Select a person")
    assert (PACKAGE / "kit" / "db.py").exists()
