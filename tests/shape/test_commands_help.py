"""`parley --help` begins with what a newcomer needs."""

from __future__ import annotations

from typer.main import get_command

from parley.cli import app


def test_the_help_begins_with_running_and_people_and_puts_every_group_under_a_heading() -> None:
    root = get_command(app)
    listed = root.list_commands(None)  # type: ignore[arg-type]
    assert listed[:8] == ["up", "serve", "work", "migrate", "check-config", "version", "account", "token"]
    without = [name for name in listed if not getattr(root.commands[name], "rich_help_panel", None)]
    assert without == listed[:6]
