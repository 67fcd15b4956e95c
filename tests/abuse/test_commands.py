"""`parley provider` and `parley notice` on a live instance, whose worker listens for mail."""

from __future__ import annotations

import smtplib
import time

import httpx
import pytest

from tests.abuse.letters import ABUSE, plain
from tests.live import LiveServer, free_port

pytestmark = pytest.mark.usefixtures("_built_assets")


def test_an_operator_makes_a_provider_takes_in_an_order_and_gets_mail() -> None:
    port = free_port()
    with LiveServer.started(PARLEY_ABUSE_LISTEN=f"smtp://127.0.0.1:{port}") as server:
        made = server.parley(
            *("provider", "create", "Heavy Metal Hosting", "--contact", "abuse@host.example"),
            *("--address", "abuse@host.example", "--address-suffices"),
        )
        assert made["token"].startswith("parley_abuse_")
        [listed] = server.parley("provider", "list")["providers"]
        assert "token" not in listed
        assert listed["contact"] == "abuse@host.example"
        with pytest.raises(RuntimeError, match="called heavy metal hosting already"):
            server.parley("provider", "create", "heavy metal hosting")

        server.account("spam_sam")
        token = server.token("spam_sam")
        with httpx.Client(base_url=server.base_url) as client:
            headers = {"authorization": f"Bearer {token}"}
            status = client.post("/api/v1/statuses", json={"status": "a plain post"}, headers=headers).json()
            host = {"authorization": f"Bearer {made['token']}"}
            sent = client.post("/api/abuse/v1/reports", json={"urls": [status["url"]]}, headers=host)
            assert sent.status_code == 202, sent.text
            assert client.get(sent.json()["receipt_url"]).status_code == 200

            order = server.parley(
                *("notice", "order", "--authority", "Court", "--reference", "AZ 1", "--url", status["url"])
            )
            shown = server.parley("notice", "show", order["id"])
            assert [line["found"] for line in shown["urls"]] == ["status"]
            kept = server.parley(
                *("notice", "order", "--authority", "Court", "--kind", "preservation", "--url", status["url"])
            )
            assert kept["status"] == "COMPLETED"

            with smtplib.SMTP("127.0.0.1", port, timeout=30) as mail:
                mail.sendmail("abuse@host.example", [ABUSE], plain(f"see {status['url']}", subject="[AbuseID:9] x"))
            folder = server.folder / "var" / "mail"
            for _ in range(100):
                found = [one for one in server.folder.rglob("*.eml") if b"[AbuseID:9]" in one.read_bytes()]
                if found:
                    break
                time.sleep(0.2)
            assert found, f"no receipt in {folder}"

            again = server.parley("provider", "rotate", "Heavy Metal Hosting")
            assert client.get(f"/api/abuse/v1/reports/{sent.json()['id']}", headers=host).status_code == 401
            fresh = {"authorization": f"Bearer {again['token']}"}
            assert client.get(f"/api/abuse/v1/reports/{sent.json()['id']}", headers=fresh).status_code == 200
            assert server.parley("provider", "revoke", made["id"])["revoked"]
            assert client.get(f"/api/abuse/v1/reports/{sent.json()['id']}", headers=fresh).status_code == 401
