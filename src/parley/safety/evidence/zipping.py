"""Writing the zip of a package: what goes in is hashed, so that the manifest can name it. Knows no evidence."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any, cast

from parley.kit.clock import now
from parley.safety.evidence.law_views import Packable


class Package:
    """The package while it is written; notes the hash of everything that goes in."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._moment = now().timetuple()[:6]
        self.listed: list[Packable] = []
        self.names: set[str] = set()

    def add(self, name: str, content: bytes, *, listed: bool = True) -> Packable:
        """Put some bytes in."""
        info = zipfile.ZipInfo(name, cast(Any, self._moment))
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        self._zip.writestr(info, content)
        told = Packable(name, hashlib.sha256(content).hexdigest(), len(content))
        if listed:
            self.listed.append(told)
        return told

    def add_file(self, name: str, path: Path, sha256: str) -> Packable:
        """Put a file in, as it is."""
        info = zipfile.ZipInfo(name, cast(Any, self._moment))
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w") as target, path.open("rb") as source:
            while chunk := source.read(2**20):
                target.write(chunk)
        told = Packable(name, sha256, path.stat().st_size)
        self.names.add(name)
        self.listed.append(told)
        return told

    def close(self) -> None:
        """Finish the file."""
        self._zip.close()
