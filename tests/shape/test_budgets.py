"""Files and functions stay small. A file that must be longer says why: `# Long because ...`."""

from __future__ import annotations

import ast

from tests.shape.source import modules, name_of, tree_of

FILE_LINES = 420
FUNCTION_LINES = 65


def test_files_are_short_or_say_why_not() -> None:
    offenders = [
        f"{name_of(path)}: {len(lines)} lines"
        for path in modules()
        if len(lines := path.read_text().splitlines()) > FILE_LINES and "# Long because" not in path.read_text()
    ]
    assert offenders == []


def test_functions_are_short() -> None:
    offenders = [
        f"{name_of(path)}.{node.name}: {length} lines"
        for path in modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert offenders == []


def test_every_module_says_what_it_is_for() -> None:
    assert [name_of(path) for path in modules() if not ast.get_docstring(tree_of(path))] == []
