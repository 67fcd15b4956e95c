"""The source tree as the shape tests see it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "parley"


@cache
def modules() -> tuple[Path, ...]:
    """Every Python file of the product."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(), filename=str(path))


def name_of(path: Path) -> str:
    """`parley.social.graph.store` for its file."""
    dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Full names of everything that the file imports, `from a import b` as both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_store(path: Path) -> bool:
    """Whether the file is a room's store (`store.py`, or `store_<noun>.py` where one would be too long)."""
    return path.stem == "store" or path.stem.startswith("store_") or path.parent.name == "store"
