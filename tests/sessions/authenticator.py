"""A security key in software, for tests: it makes and uses ES256 passkeys as an authenticator and a browser would."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SoftKey:
    """One authenticator with at most one passkey for each site. `origin` is the page that the browser is on."""

    def __init__(self, origin: str, *, verifies_user: bool = True, counts: bool = True) -> None:
        self.origin = origin
        self.flags = PRESENT | (VERIFIED if verifies_user else 0)
        self.counts = counts
        self.count = 0
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = b""
        self.rp_id = ""
        self.private = ec.generate_private_key(ec.SECP256R1())

    def _client_data(self, kind: str, challenge: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data).encode()

    def _auth_data(self, flags: int, extra: bytes = b"") -> bytes:
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big") + extra

    def _cose_key(self) -> bytes:
        numbers = self.private.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})

    def create(self, options: dict[str, Any]) -> str:
        """The answer to navigator.credentials.create(), as JSON."""
        self.rp_id = options["rp"]["id"]
        self.user_handle = unb64(options["user"]["id"])
        identity = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._cose_key()
        attestation = cbor2.dumps(
            {"fmt": "none", "attStmt": {}, "authData": self._auth_data(self.flags | ATTESTED, identity)}
        )
        return self._credential(
            clientDataJSON=b64(self._client_data("webauthn.create", options["challenge"])),
            attestationObject=b64(attestation),
            transports=["internal", "nonsense", 5],
        )

    def get(self, options: dict[str, Any]) -> str:
        """The answer to navigator.credentials.get(), as JSON."""
        self.count += 1 if self.counts else 0
        client_data = self._client_data("webauthn.get", options["challenge"])
        auth_data = self._auth_data(self.flags)
        signature = self.private.sign(auth_data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=b64(client_data),
            authenticatorData=b64(auth_data),
            signature=b64(signature),
            userHandle=b64(self.user_handle),
        )

    def _credential(self, **response: Any) -> str:
        name = b64(self.credential_id)
        shape = {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}}
        return json.dumps({**shape, "response": response})
