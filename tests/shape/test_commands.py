"""What people are told to run exists: every command and flag that a sentence of the program or a guide names."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import pytest
import typer

from parley.cli import app
from tests.shape.source import PACKAGE, ROOT

GUIDES = sorted((ROOT / "docs" / "operators").glob("*.md"))
MODULES = sorted(file for room in ("hosting", "handing", "commands") for file in (PACKAGE / room).rglob("*.py"))


@cache
def root() -> Any:
    return typer.main.get_command(app)


def commands_of(command: Any) -> dict[str, Any]:
    """The commands of a group; a single command has none."""
    return getattr(command, "commands", {})


def flags_of(command: Any) -> set[str]:
    return {one for option in command.params for one in (*option.opts, *option.secondary_opts)} | {"--help"}


def problem_with(said: str) -> str:
    """What is wrong with a command line that is named somewhere; empty when nothing is."""
    try:
        words = shlex.split(said)[1:]
    except ValueError:
        words = said.split()[1:]
    command = root()
    while words and commands_of(command) and not words[0].startswith("-"):
        if not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            break  # a placeholder
        found = commands_of(command).get(words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    unknown = [word for word in words if re.match(r"--[a-z]", word) and word.split("=")[0] not in flags_of(command)]
    return f"there is no flag {unknown[0]}" if unknown else ""


def commands_in(text: str) -> list[str]:
    """Command lines between backquotes."""
    return [" ".join(one.split()) for one in re.findall(r"`(parley [a-z][^`]*)`", text)]


def every_flag() -> set[str]:
    def walk(command: Any) -> set[str]:
        return flags_of(command).union(*(walk(one) for one in commands_of(command).values()))

    return walk(root())


def test_a_wrong_command_would_be_found() -> None:
    assert problem_with("parley host renew") == "there is no command 'renew'"
    assert problem_with("parley host add B --address 192.0.2.1") == "there is no flag --address"
    assert problem_with("parley host add {name} --addresses 192.0.2.1") == ""


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_what_the_program_tells_people_to_run_exists(file) -> None:
    text = re.sub(r'"\s*\n\s*f?"', "", file.read_text())  # sentences that go over lines
    wrong = {said: problem for said in commands_in(text) if (problem := problem_with(said))}
    assert wrong == {}
    if file.is_relative_to(PACKAGE / "hosting"):
        known, named = every_flag(), set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
        foreign = {one for one in named - known if f'"{one}' in text}  # arguments of other programs are strings
        assert named - known - foreign == set()


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_what_a_guide_tells_people_to_run_exists(page) -> None:
    blocks = re.findall(r"^(?:    |      )+(parley [a-z].*?)(?:  +#.*| \\)?$", page.read_text(), re.MULTILINE)
    wrong = {said: problem for said in (*commands_in(page.read_text()), *blocks) if (problem := problem_with(said))}
    assert wrong == {}
