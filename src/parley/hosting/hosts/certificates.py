"""The instance's own small certificate authority, and the certificates by which its hosts know each other.

The authority's key goes with the instance, like its signing key, so that every host renews its own certificate. A name
in a certificate is therefore not enough: who a host is, is said by the key that stands in `hosts.json`.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import write_durably
from parley.kit.settings import Settings

CA_KEY = "link-ca.key"
CA_CERTIFICATE = "link-ca.crt"
HOST_KEY = "link-host.key"
NEXT_KEY = "link-host.next.key"
"""A key that this host will have, once all others have been told of it."""
HOST_CERTIFICATE = "link-host.crt"

DOMAIN = "parley-host.internal"
CA_DAYS = 365 * 20
DAYS = 90
RENEW_DAYS = 30
"""A certificate that ends sooner is made anew."""


def internal_name(name: str) -> str:
    """The name of a host in its certificate."""
    return f"{name}.{DOMAIN}"


def ensure_authority(settings: Settings) -> None:
    """Make the authority if there is none. Raises HostError when only half of it is there."""
    key, certificate = settings.path(CA_KEY), settings.path(CA_CERTIFICATE)
    if key.exists() and certificate.exists():
        return
    if certificate.exists():
        raise HostError(f"{key} is missing, but {certificate} is there: put the key back from a snapshot.")
    made = _load_key(key) if key.exists() else generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Hosts of {settings.local_domain}"[:64])])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(made.public_key()), critical=False)
        .sign(made, hashes.SHA256())
    )
    write_durably(key, _pem_of(made))
    write_durably(certificate, signed.public_bytes(Encoding.PEM), mode=0o644)


def ensure_certificate(settings: Settings, name: str) -> datetime:
    """Make this host's key and certificate where they are missing, and a new certificate in time; returns its end."""
    key, certificate = settings.path(HOST_KEY), settings.path(HOST_CERTIFICATE)
    ensure_key(settings)
    if certificate.exists():
        found = _load_certificate(certificate)
        until = found.not_valid_after_utc
        is_mine = found.public_key() == _load_key(key).public_key() and _names_of(found) == [internal_name(name)]
        if is_mine and until - datetime.now(UTC) > timedelta(days=RENEW_DAYS):
            return until
    authority, made = _load_certificate(settings.path(CA_CERTIFICATE)), _load_key(key).public_key()
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, internal_name(name))]))
        .issuer_name(authority.subject)
        .public_key(made)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of two hosts are not the same
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(internal_name(name))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(made), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
        .sign(_load_key(settings.path(CA_KEY)), hashes.SHA256())
    )
    write_durably(certificate, signed.public_bytes(Encoding.PEM), mode=0o644)
    return signed.not_valid_after_utc


def ensure_key(settings: Settings) -> str:
    """Make this host's own key if there is none; returns the hash by which others know it. It never leaves here."""
    path = settings.path(HOST_KEY)
    if not path.exists():
        write_durably(path, _pem_of(generate_private_key(SECP256R1())))
    return key_hash(_load_key(path).public_key())


def ensure_next_key(settings: Settings) -> str:
    """Make the key that this host will have if there is none; returns its hash."""
    path = settings.path(NEXT_KEY)
    if not path.exists():
        write_durably(path, _pem_of(generate_private_key(SECP256R1())))
    return key_hash(_load_key(path).public_key())


def take_next_key(settings: Settings, name: str) -> str:
    """Let the next key be this host's key, with a certificate; returns its hash. The old one is gone with that.

    Killed in between, `ensure_certificate` makes the certificate that fits at the next start.
    """
    settings.path(NEXT_KEY).replace(settings.path(HOST_KEY))
    ensure_certificate(settings, name)
    return ensure_key(settings)


def key_hash(public_key: Any) -> str:
    """SHA-256 of a public key (its DER SubjectPublicKeyInfo) in hexadecimal."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def is_one_of(key: str, keys: tuple[str, ...]) -> bool:
    """Whether a hash is one of these. An empty one never is."""
    return bool(key) and any(hmac.compare_digest(key, one) for one in keys)


def key_of_peer(connection: ssl.SSLObject | None) -> str:
    """The same of the other side of a TLS connection; empty when it showed no certificate."""
    shown = connection.getpeercert(binary_form=True) if connection is not None else None
    return key_hash(x509.load_der_x509_certificate(shown).public_key()) if shown else ""


def name_of_peer(connection: ssl.SSLObject) -> str:
    """The host's name in the certificate that the other side showed; empty when there is none. Checks no records."""
    shown = connection.getpeercert(binary_form=True)
    names = _names_of(x509.load_der_x509_certificate(shown)) if shown else []
    suffix = f".{DOMAIN}"
    return names[0].removesuffix(suffix) if len(names) == 1 and names[0].endswith(suffix) else ""


def certificate_until(settings: Settings) -> datetime:
    """When this host's certificate ends."""
    return _load_certificate(settings.path(HOST_CERTIFICATE)).not_valid_after_utc


def server_context(settings: Settings, protocols: list[str]) -> ssl.SSLContext:
    """TLS 1.3 for who connects to this host: a certificate is taken, and checked, but not needed (to join)."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, settings)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(protocols)
    return context


def client_context(settings: Settings, keys: tuple[str, ...], protocol: str = "http/1.1") -> ssl.SSLContext:
    """TLS 1.3 to the host whose key has one of these hashes. To anybody else the handshake fails before a byte is
    sent."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, settings)
    context.set_alpn_protocols([protocol])
    context.sslobject_class = _pinned(keys)
    return context


def join_context(key: str, protocol: str) -> ssl.SSLContext:
    """TLS 1.3 to a host of which nothing is known but the hash of its key."""
    context = _OwnProtocols(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the key is checked instead, by _pinned
    context.set_alpn_protocols([protocol])
    context.sslobject_class = _pinned((key,))
    return context


def load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    """Show this host's certificate as it is on the disk now, on connections that are made from here on."""
    context.load_cert_chain(settings.path(HOST_CERTIFICATE), settings.path(HOST_KEY))


class _OwnProtocols(ssl.SSLContext):
    """Keeps the ALPN that was set first: an HTTP client would set its own."""

    _is_set = False

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        if not self._is_set:
            super().set_alpn_protocols(alpn_protocols)
        self._is_set = True


def _context(protocol: int, settings: Settings) -> ssl.SSLContext:
    context = _OwnProtocols(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(settings.path(CA_CERTIFICATE))
    load_chain(context, settings)
    return context


def _pinned(keys: tuple[str, ...]) -> type[ssl.SSLObject]:
    class Pinned(ssl.SSLObject):
        """Ends the handshake unless the other side has one of the keys."""

        def do_handshake(self) -> None:
            super().do_handshake()
            if not is_one_of(key_of_peer(self), keys):
                raise ssl.SSLCertVerificationError("the host that answers is not the one that joined: another key")

    return Pinned


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_of(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load_key(path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise HostError(f"{path} cannot be read as a key: put the right one back from a snapshot.") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise HostError(f"{path} is not a key that Parley made: put the right one back from a snapshot.")
    return key


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HostError(f"{path} cannot be read as a certificate.") from error


def _names_of(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
