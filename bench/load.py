"""Load on an HTTP server, by wrk; and the same SQL straight at PostgreSQL, by pgbench."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from parley.kit.postgres import embedded_binaries

LUA = """
local targets = {targets}
local method = "{method}"
local n = 0
math.randomseed(42)
request = function()
  n = n + 1
  local target = targets[(n % #targets) + 1]
  local body = nil
  local headers = {{ ["Authorization"] = "Bearer " .. target[2] }}
  if method == "POST" then
    headers["Content-Type"] = "application/json"
    body = string.format('{{"status": "Post number %d: %d words to say about the weather, trains and tea"}}',
                         n, math.random(1, 1000000))
  end
  return wrk.format(method, target[1], headers, body)
end
response = function(status, headers, body)
  if status ~= 200 then
    io.write("REFUSED " .. status .. " " .. body .. "\\n")
    wrk.thread:stop()
  end
end
done = function(summary, latency, requests)
  local shape = '{{"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p95": %d, "p99": %d, ' ..
                '"max": %d, "bytes": %d}}\\n'
  local errors = summary.errors
  io.write(string.format('RESULT ' .. shape,
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max, summary.bytes))
end
"""


class Load(msgspec.Struct, frozen=True):
    """What a load run measured; latencies in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float
    worst: float
    bytes_each: float


def need_wrk() -> None:
    """End with a sentence when wrk is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("The benchmarks need the load generator wrk: on Debian, sudo apt-get install wrk.")


def run_wrk(
    base_url: str, targets: list[tuple[str, str]], *, method: str = "GET", seconds: int = 10, connections: int = 16
) -> Load:
    """Ask for `targets` (path, token) in turn over `connections` connections; raises when any answer is not 200."""
    pairs = ", ".join(f'{{"{path}", "{token}"}}' for path, token in targets)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(LUA.format(targets="{" + pairs + "}", method=method))
        result = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), base_url],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"RESULT (\{.*\})", result.stdout)
    if not found:
        raise RuntimeError(f"wrk said:\n{result.stdout}{result.stderr}")
    data = json.loads(found[1])
    if data["errors"] or not data["requests"]:
        raise RuntimeError(f"the server answered with errors: {data}\n{result.stdout}")
    return Load(
        per_second=data["requests"] / data["microseconds"] * 1e6,
        p50=data["p50"] / 1000,
        p95=data["p95"] / 1000,
        p99=data["p99"] / 1000,
        worst=data["max"] / 1000,
        bytes_each=data["bytes"] / data["requests"],
    )


def literal(value: Any) -> str:
    """A query's argument as an SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return "'{" + ",".join("NULL" if item is None else str(item) for item in value) + "}'"
    return "'" + str(value).replace("'", "''") + "'"


def inline(query: str, arguments: tuple[Any, ...]) -> str:
    """The query with its arguments written into it, on one line, as pgbench wants it."""
    flat = " ".join(re.sub(r"--[^\n]*", "", query).split())
    return re.sub(r"\$(\d+)", lambda found: literal(arguments[int(found[1]) - 1]), flat) + ";"


def run_pgbench(dsn: str, scripts: list[list[str]], *, seconds: int = 10, clients: int = 8) -> float:
    """Run each script (a list of statements: one request's SQL) in random order; returns scripts per second."""
    parts = urlsplit(dsn)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        files = []
        for number, statements in enumerate(scripts):
            file = Path(folder) / f"{number}.sql"
            file.write_text("\n".join(statements) + "\n")
            files += ["-f", str(file)]
        result = subprocess.run(
            [
                *(str(embedded_binaries() / "pgbench"), "-n", "-M", "prepared", "-T", str(seconds)),
                *("-c", str(clients), "-j", "1", "-h", host, "-U", parts.username or "parley", *files),
                parts.path.lstrip("/"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"tps = ([\d.]+)", result.stdout)
    if not found:
        raise RuntimeError(f"pgbench said:\n{result.stdout}{result.stderr}")
    return float(found[1])
