"""Bytes with a detached signature, and the files by which anybody checks it without us."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode

from parley.kit.settings import Settings
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.transparency.views import Signed

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in SubjectPublicKeyInfo (RFC 8410, section 4)."""

CHECK = """\
{name} was signed by {domain} with Ed25519. To check it without trusting that server or this file:

    openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in {name} -sigfile {name}.sig

It must say "Signature Verified Successfully". Then compare the fingerprint of the key (the SHA-256 of its 32 bytes)
with the one that you were given before, by another way or at another time:

    {fingerprint}

    openssl pkey -pubin -in key.pem -outform DER | tail -c 32 | sha256sum
"""


def sign_contents(settings: Settings, contents: bytes) -> Signed:
    """Sign bytes with the instance's key."""
    public = public_key_of(settings)
    return Signed(
        contents=contents,
        sha256=hashlib.sha256(contents).hexdigest(),
        signature=sign(settings, contents),
        key=key_pem(public),
        fingerprint=fingerprint_of(public),
    )


def key_pem(public: bytes) -> str:
    """A public key of 32 bytes as PEM (RFC 8410), which every tool reads."""
    return f"-----BEGIN PUBLIC KEY-----\n{b64encode(_SPKI + public).decode()}\n-----END PUBLIC KEY-----\n"


def zip_signed(name: str, signed: Signed, domain: str) -> bytes:
    """A zip file with the contents as `name`, their signature, the key, and how to check it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, signed.contents)
        archive.writestr(f"{name}.sig", signed.signature)
        archive.writestr("key.pem", signed.key)
        archive.writestr("CHECK.txt", CHECK.format(name=name, domain=domain, fingerprint=signed.fingerprint))
    return out.getvalue()
