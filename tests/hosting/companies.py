"""The API of a DNS company, as PowerDNS has it, for tests: it stands for a remote host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ZONE = "social.example.test"
"""A zone below a suffix that no list knows, and not directly below it."""

TOKEN = "secret-of-the-company"


class Company:
    """Records of one zone: kind and name to TTL and addresses. `least` is the lowest TTL that it takes."""

    def __init__(self, ttl: int = 3600) -> None:
        self.url = ""
        self.least = 0
        self.calls: list[str] = []
        self.records: dict[tuple[str, str], tuple[int, list[str]]] = {
            ("A", f"{ZONE}."): (ttl, ["192.0.2.1"]),
            ("AAAA", f"{ZONE}."): (ttl, ["2001:db8::1"]),
            ("A", f"other.{ZONE}."): (ttl, ["192.0.2.9"]),
        }

    def of(self, kind: str) -> tuple[int, list[str]] | None:
        """TTL and addresses of the zone's own name."""
        return self.records.get((kind, f"{ZONE}."))

    def listed(self) -> dict[str, Any]:
        """The zone as the API shows it."""
        rrsets = [
            {"type": kind, "name": name, "ttl": ttl, "records": [{"content": one, "disabled": False} for one in rows]}
            for (kind, name), (ttl, rows) in self.records.items()
        ]
        return {"name": f"{ZONE}.", "kind": "Native", "rrsets": rrsets}

    def change(self, rrset: dict[str, Any]) -> None:
        """What PATCH does with one set of records."""
        key, rows = (rrset["type"], rrset["name"]), [one["content"] for one in rrset["records"]]
        if rows:
            self.records[key] = (max(rrset["ttl"], self.least), rows)
        else:
            self.records.pop(key, None)


@contextmanager
def company(ttl: int = 3600) -> Iterator[Company]:
    """A company that answers; `LEXICON_POWERDNS_PDNS_SERVER` is its `url`."""
    made = Company(ttl)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["X-API-Key"] != TOKEN:
                self.answer(401, {"error": "who are you?"})
            elif self.path == f"/api/v1/servers/localhost/zones/{ZONE}.":
                self.answer(200, made.listed())
            else:
                self.answer(404, {"error": "no such zone"})

        def do_PATCH(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for rrset in asked["rrsets"]:
                made.calls.append(f"{rrset['type']} {','.join(one['content'] for one in rrset['records'])}".strip())
                made.change(rrset)
            self.answer(204, None)

        def answer(self, status: int, body: object) -> None:
            self.send_response(status)
            self.end_headers()
            if body is not None:
                self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
