"""The build of the pages' assets: once per change of the sources, locked, checked, and without a registry's address."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from parley.web import build
from parley.web.assets import load_assets

pytestmark = pytest.mark.usefixtures("_built_assets")

ICON = re.compile(r'icon\("([a-z0-9-]+)"\)')


def test_the_build_is_skipped_while_the_sources_are_the_same() -> None:
    assert build.is_current()
    assert build.build_assets() is False


def test_a_changed_source_asks_for_a_build(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.ts").write_text("export {};")
    before = build.hash_sources(tmp_path)
    (tmp_path / "src" / "main.ts").write_text("export const changed = 1;")
    after = build.hash_sources(tmp_path)
    (tmp_path / "src" / "main.ts").rename(tmp_path / "src" / "other.ts")
    assert len({before, after, build.hash_sources(tmp_path)}) == 3


def test_a_copy_without_sources_and_without_assets_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "FRONTEND", tmp_path / "frontend")
    monkeypatch.setattr(build, "BUILT", tmp_path / "build")
    assert build.main() == 1
    said = capsys.readouterr().err
    assert "install a released wheel" in said


def test_a_failing_step_ends_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "frontend" / "src").mkdir(parents=True)
    (tmp_path / "frontend" / "package-lock.json").write_text("not json")
    monkeypatch.setattr(build, "FRONTEND", tmp_path / "frontend")
    monkeypatch.setattr(build, "BUILT", tmp_path / "build")
    assert build.main() == 1
    assert "`npm ci` failed" in capsys.readouterr().err.splitlines()[-1]


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((build.FRONTEND / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all(package.get("integrity") for path, package in lock["packages"].items() if path)


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    icons = str(load_assets().icons)
    there = set(re.findall(r'id="i-([a-z0-9-]+)"', icons))
    assert there == set(json.loads((build.FRONTEND / "icons.json").read_text()))
    for template in (Path(build.WEB) / "templates").glob("*.html"):
        for name in ICON.findall(template.read_text()):
            assert name in there, f"{template.name}: {name}"


def test_the_built_files_hold_nothing_that_the_policy_would_refuse() -> None:
    for sheet in build.BUILT.rglob("*.css"):
        text = sheet.read_text()
        assert "url(data:" not in text
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text


def test_the_scripts_pass_the_type_checker() -> None:
    compiler = build.FRONTEND / "node_modules" / "typescript" / "bin" / "tsc"
    node = build._find_node().node
    done = subprocess.run(
        [node, str(compiler), "--noEmit"], cwd=build.FRONTEND, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
