"""The documentation is complete and its links lead somewhere."""

from __future__ import annotations

import re

import pytest

from docs.generate import PAGES, REFERENCE
from tests.shape.source import PACKAGE, ROOT

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_make_docs_would_write(name: str) -> None:
    assert (REFERENCE / name).read_text() == PAGES[name](), f"run `make docs`: {name} is out of date"


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_documentation_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_the_documentation_names_exist(page) -> None:
    for name in re.findall(r"`((?:src|docs|tests|bench|migrations|frontend|policy)/[\w./-]+\.\w+)`", page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}, which is not there"


def test_decisions_are_short_and_numbered_without_gaps() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1))
    assert [file.name for file in files if len(file.read_text().splitlines()) > 60] == []


def test_the_readme_has_the_two_commands_and_a_picture() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make run" in text
    assert "make test" in text
    assert re.search(r"!\[[^\]]+\]\(docs/images/[\w-]+\.png\)", text)


def test_every_room_and_door_is_on_the_map() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    for folder in sorted(PACKAGE.iterdir()):
        if folder.is_dir() and not folder.name.startswith("_"):
            assert f"{folder.name}/" in contributing
    for room in sorted((PACKAGE / "social").iterdir()):
        if room.is_dir() and not room.name.startswith("_"):
            assert room.name in contributing


def test_the_glossary_defines_every_outcome_and_role() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    for word in (
        "allow_flag",
        "limit",
        "hold",
        "reject",
        "quarantine",
        "moderator",
        "owner",
        "verdict",
        "viewer",
    ):
        assert word in glossary


def test_nothing_in_the_product_needs_the_training_data() -> None:
    for path in [
        *PACKAGE.rglob("*.py"),
        *(ROOT / "migrations").glob("*.sql"),
        *(ROOT / "policy").rglob("*.yaml"),
    ]:
        assert "../shared" not in path.read_text()


def test_every_program_that_a_skipped_test_asks_for_is_installed_by_make_test_and_named_to_contributors() -> None:
    installed = set(re.findall(r"^need \S+ (\S+)$", (ROOT / "tests" / "system_parts.sh").read_text(), re.MULTILINE))
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    asked = {
        package
        for file in (ROOT / "tests").rglob("*.py")
        for package in re.findall(r"apt(?:-get)? install ([a-z][\w-]+)", file.read_text())
    }
    asked |= {"iproute2"}  # tests/moves/wires.py: only root can use it, so it is named without a command
    assert asked >= {"chromium", "dovecot-imapd", "knot"}
    assert asked == installed
    assert [package for package in sorted(asked) if f"`{package}`" not in contributing] == []
