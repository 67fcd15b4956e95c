"""The files of one policy while they are being read, and what is wrong with them so far.

What the readers of every kind of file share. This file must not know the meaning of any one file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parley.screening import documents
from parley.screening.banks import normalise_domain
from parley.screening.content import Facts
from parley.screening.documents import Case
from parley.screening.ruleset import Clause, PolicyCase
from parley.screening.verdict import Outcome
from parley.screening.yaml_files import Document, Problem, dotted

Keys = tuple[str | int, ...]


def policy_files(folder: Path) -> dict[str, bytes] | Problem:
    """Return the bytes of a policy's files by name, or what keeps them from being read.

    Other files of the folder, a README say, are left out.
    """
    if not folder.is_dir():
        message = f"this folder does not exist. A policy is a folder with {', '.join(documents.FILES)}."
        return Problem(file=str(folder), line=0, key="", message=message)
    files: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()):
        if is_policy_file(path.name):
            try:
                files[path.name] = path.read_bytes()
            except OSError as error:
                return Problem(file=path.name, line=0, key="", message=f"this file cannot be read ({error.strerror}).")
    return files


def is_policy_file(name: str) -> bool:
    """Whether a file of this name is part of a policy."""
    return name in (*documents.FILES, documents.ACCOUNTS) or bool(re.match(documents.MORE_WORDS, name))


class Sources:
    """The files, their problems and the test cases found in them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        names = [*documents.FILES, *sorted(name for name in files if name not in documents.FILES)]
        self.bytes = {name: files[name] for name in names if name in files}
        self.files = {name: Document(name, files.get(name)) for name in names}
        self.cases: list[PolicyCase] = []

    def problems(self) -> list[Problem]:
        """Return what was found so far, file by file."""
        return [problem for document in self.files.values() for problem in document.problems]

    def items(self, file: str, key: str) -> list[tuple[Keys, Any]]:
        """Return the items of a file's list with their keys; notes a problem when it is not a list."""
        document = self.files[file]
        if not isinstance(document.value, dict):
            if document.value is not None:
                document.problem((), f"the file needs the key {key!r} with a list.")
            return []
        value = document.value.get(key)
        if not isinstance(value, list):
            document.problem((key,), "a list is needed here: each entry begins with '- '.")
            return []
        return [((key, index), item) for index, item in enumerate(value)]

    def only_keys(self, file: str, *allowed: str) -> None:
        """Note a problem for every other key at the top of a file."""
        document = self.files[file]
        if isinstance(document.value, dict):
            for key in document.value.keys() - set(allowed):
                document.problem((key,), f"the key {key!r} does not exist. Allowed here are: {', '.join(allowed)}.")

    def check_clause(self, file: str, keys: Keys, clause: str, clauses: Mapping[str, Clause]) -> None:
        """Note a problem when there is no such clause."""
        if clause not in clauses:
            known = ", ".join(clauses) or "none"
            self.files[file].problem(keys, f"there is no clause {clause}. Clauses in clauses.yaml: {known}.")

    def check_new(self, file: str, keys: Keys, name: str, seen: set[str]) -> None:
        """Note a problem when the id was seen before; it is seen now."""
        if name in seen:
            self.files[file].problem((*keys, "id"), f"{name!r} stands twice. Give each entry its own name.")
        seen.add(name)

    def expiry(self, file: str, keys: Keys, written: str | None) -> datetime | None:
        """Return the moment from which something no longer counts."""
        if written is None:
            return None
        try:
            return datetime.fromisoformat(written).replace(tzinfo=UTC)
        except ValueError:
            self.files[file].problem((*keys, "expires"), f"{written} is not a day. Write it as 2027-01-31.")
            return None

    def domains(self, file: str, keys: Keys, written: Sequence[str]) -> tuple[str, ...]:
        """Return domains as banks hold them; notes those that are none."""
        domains: list[str] = []
        for index, domain in enumerate(written):
            try:
                domains.append(normalise_domain(domain))
            except ValueError as error:
                self.files[file].problem((*keys, index), str(error))
        return tuple(domains)

    def add_cases(self, file: str, keys: Keys, cases: Sequence[Case]) -> None:
        """Keep the tests that stand at these keys."""
        known = set(Facts.__struct_fields__) - {"now"}
        for index, case in enumerate(cases):
            place = (*keys, "tests", index)
            for name in case.account.keys() - known:
                allowed = ", ".join(sorted(known))
                self.files[file].problem((*place, "account", name), f"there is no such fact. Facts: {allowed}.")
            self.cases.append(PolicyCase(file=file, line=self.files[file].line(*place), key=dotted(place), case=case))

    def add_bank_cases(
        self, bank: str, file: str, keys: Keys, entry: str, hits: Sequence[str], misses: Sequence[str]
    ) -> None:
        """Keep the tests of one entry of a bank."""
        for name, texts in (("hits", hits), ("misses", misses)):
            for index, text in enumerate(texts):
                place = (*keys, name, index)
                self.cases.append(
                    PolicyCase(
                        file=file,
                        line=self.files[file].line(*place),
                        key=dotted(place),
                        case=Case(name=name, expect=Outcome.ALLOW, text=text),
                        bank=bank,
                        entry=entry,
                        must_match=name == "hits",
                    )
                )
