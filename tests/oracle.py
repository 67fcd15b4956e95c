"""Checks an answer against the published OpenAPI description of Mastodon's API.

The description is not part of the product. `PARLEY_OPENAPI` names it, or it lies in `../shared/data/`; where it is
missing the test is skipped, visibly.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

PLACE = Path(__file__).parents[2] / "shared" / "data" / "mastodon-openapi" / "schema.json"


@cache
def _description() -> dict[str, Any]:
    path = Path(os.environ.get("PARLEY_OPENAPI") or PLACE)
    if not path.exists():
        pytest.skip(f"the OpenAPI description is missing ({path}); set PARLEY_OPENAPI to check shapes")
    description = json.loads(path.read_text())
    # A quote may be a Quote or a ShallowQuote, and by the description every one of either is both.
    for entity in ("Status", "StatusEdit"):
        quote = description["components"]["schemas"][entity]["properties"]["quote"]
        if "oneOf" in quote:
            quote["anyOf"] = quote.pop("oneOf")
    # In words this answers with a list, as it does; in its schema with one entity alone.
    answer = description["paths"]["/api/v1/filters"]["get"]["responses"]["200"]["content"]["application/json"]
    if "$ref" in answer["schema"]:
        answer["schema"] = {"type": "array", "items": answer["schema"]}
    return description


@cache
def _operations() -> dict[str, tuple[dict[str, Any], str, str]]:
    return {
        operation["operationId"]: (operation, method.upper(), path)
        for path, methods in _description()["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


def list_operations() -> dict[str, tuple[dict[str, Any], str, str]]:
    """Every operation of the description by its id: what it says, the method and the path."""
    return _operations()


def describe_source() -> str:
    """Name and version of the description."""
    about = _description()["info"]
    return f"the OpenAPI description of {about['title']} {about['version']}"


def _find(method: str, path: str) -> dict[str, Any]:
    """The operation for a real path; one without parameters wins over one with."""
    found = [
        (known.count("{"), operation)
        for operation, verb, known in _operations().values()
        if verb == method and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", known), path)
    ]
    assert found, f"the OpenAPI description has no {method} {path}"
    return min(found, key=lambda one: one[0])[1]


def _schema_of(operation: dict[str, Any], status: int) -> dict[str, Any] | None:
    answers = operation["responses"]
    if str(status) not in answers and 200 <= status < 300:
        status = min(int(code) for code in answers if code.startswith("2"))
    assert str(status) in answers, f"{operation['operationId']} never answers {status}"
    content = answers[str(status)].get("content") or {}
    return next((kind.get("schema") for kind in content.values()), None)


@cache
def _checker() -> jsonschema.FormatChecker:
    return jsonschema.FormatChecker(("date", "ipv4", "regex"))


def _with_formats(schema: dict[str, Any]) -> dict[str, Any]:
    return {"components": _description()["components"], **schema}


def _check(schema: dict[str, Any], value: Any, what: str) -> None:
    validator = jsonschema.Draft202012Validator(_with_formats(schema), format_checker=_checker())
    problems = [
        f"{error.json_path}: {error.message[:300]}"
        for error in sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    ]
    assert not problems, f"{what} differs from Mastodon's API: " + "; ".join(problems)


def assert_matches(operation: str | None, response: httpx.Response) -> Any:
    """The answer's JSON, after comparing it with the description; returns it.

    `operation` is an operationId such as `getAccount`, or None to find it by the request's method and path.
    """
    found = _operations()[operation][0] if operation else _find(response.request.method, response.request.url.path)
    schema = _schema_of(found, response.status_code)
    value = response.json()
    if schema is not None:
        _check(schema, value, f"{response.request.method} {response.request.url.path}")
    return value


def assert_entity(name: str, value: Any) -> None:
    """Compare `value` with the entity `name` of the description, such as `Status`."""
    _check({"$ref": f"#/components/schemas/{name}"}, value, name)
