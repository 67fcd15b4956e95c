"""Mail over a real SMTP server, and into a folder when there is none."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.policy
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parley.kit.errors import Invalid
from parley.kit.mail import is_mail_address, send_mail, write_mail
from parley.kit.settings import Settings
from tests.conftest import World
from tests.live import free_port
from tests.sessions.pages import link_in, send_form

USER, SECRET = "us er@example.org", "pa:ss/wörd"


class Post:
    """What the server received, and how."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.encrypted: list[bool] = []
        self.users: list[str] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        direct = server.transport.get_extra_info("ssl_object")
        self.encrypted.append(session.ssl is not None or direct is not None)
        assert isinstance(envelope.content, bytes)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login.decode(), data.password.decode()) == (USER, SECRET)
        if right:
            self.users.append(data.login.decode())
        return AuthResult(success=right, handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS with a certificate that nobody signed, as mail servers on the same machine have."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    moment = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextmanager
def smtp_server(post: Post, **options: Any) -> Iterator[int]:
    """A real SMTP server; yields its port."""
    port = free_port()
    server = Controller(post, hostname="localhost", port=port, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


def with_server(settings: Settings, url: str) -> Settings:
    import msgspec

    return msgspec.structs.replace(settings, mail=url, mail_from="post@social.example")


async def test_a_plain_server_gets_a_proper_mail(settings: Settings) -> None:
    post = Post()
    with smtp_server(post) as port:
        text = "Grüße aus dem Wald 🌲\n\n" + "long line " * 200
        await send_mail(with_server(settings, f"smtp://localhost:{port}"), "bob@example.org", "Grüße", text)
    (mail,), (envelope,) = post.mails, post.envelopes
    assert envelope.mail_from == "post@social.example" and envelope.rcpt_tos == ["bob@example.org"]
    assert mail["From"] == "Test <post@social.example>" and mail["To"] == "bob@example.org"
    assert mail["Subject"] == "Grüße" and mail["Message-ID"].endswith("@social.example>")
    assert mail["Date"].datetime.tzinfo is not None and mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain" and mail.get_content().replace("\r\n", "\n").strip() == text.strip()
    assert isinstance(envelope.content, bytes)
    assert max(len(line) for line in envelope.content.split(b"\r\n")) <= 998


async def test_starttls_is_used_when_offered(settings: Settings, certificate: ssl.SSLContext) -> None:
    post = Post()
    with smtp_server(post, tls_context=certificate) as port:
        await send_mail(with_server(settings, f"smtp://localhost:{port}"), "bob@example.org", "Hello", "x")
    assert post.encrypted == [True]


async def test_credentials_go_only_over_tls(settings: Settings, certificate: ssl.SSLContext) -> None:
    login = "us%20er%40example.org:pa%3Ass%2Fw%C3%B6rd"
    post = Post()
    auth = {"authenticator": post.authenticate, "auth_require_tls": True, "auth_required": True}
    with smtp_server(post, tls_context=certificate, **auth) as port:
        url = f"smtp://{login}@localhost:{port}"
        await send_mail(with_server(settings, url), "bob@example.org", "Hello", "x")
        wrong = with_server(settings, f"smtp://a:b@localhost:{port}")
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send_mail(wrong, "bob@example.org", "Hello", "x")
    assert post.encrypted == [True] and post.users == [USER]
    bare = Post()
    auth = {"authenticator": bare.authenticate, "auth_require_tls": False}
    with smtp_server(bare, **auth) as port:
        url = f"smtp://{login}@localhost:{port}"
        with pytest.raises(aiosmtplib.SMTPException):
            await send_mail(with_server(settings, url), "bob@example.org", "Hello", "x")
    assert bare.users == [] and bare.mails == []


async def test_smtps_is_tls_from_the_start(settings: Settings, certificate: ssl.SSLContext) -> None:
    post = Post()
    port = free_port()
    loop = asyncio.get_running_loop()
    from aiosmtpd.smtp import SMTP

    server = await loop.create_server(lambda: SMTP(post, loop=loop), "localhost", port, ssl=certificate)
    async with server:
        await send_mail(with_server(settings, f"smtps://localhost:{port}"), "bob@example.org", "Hello", "x")
    assert post.encrypted == [True]


async def test_a_server_that_refuses_is_an_error_so_that_the_job_retries(settings: Settings) -> None:
    class Refusing(Post):
        async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
            return "451 try later"

    with smtp_server(Refusing()) as port, pytest.raises(aiosmtplib.SMTPException):
        await send_mail(with_server(settings, f"smtp://localhost:{port}"), "bob@example.org", "Hello", "x")
    with pytest.raises(aiosmtplib.SMTPException):
        await send_mail(with_server(settings, f"smtp://localhost:{free_port()}"), "bob@example.org", "Hello", "x")


@pytest.mark.parametrize(
    "to",
    [
        "bob@example.org\r\nBcc: eve@example.org",
        "bob@example.org, eve@example.org",
        "bob@example.org\n",
        "Bob <bob@example.org>",
        "bob",
        "",
        "bob@example.org\0",
        "böb@example.org",
        "a" * 65 + "@example.org",
        "bob@" + "a" * 250 + ".org",
        '"a b"@example.org',
    ],
)
async def test_nothing_but_one_address_is_written_to(settings: Settings, to: str) -> None:
    assert not is_mail_address(to)
    with pytest.raises(Invalid):
        await send_mail(settings, to, "Hello", "x")
    assert not settings.path("mail").exists()


def test_a_subject_and_a_name_cannot_add_headers(settings: Settings) -> None:
    import msgspec

    evil = msgspec.structs.replace(settings, name="Evil\r\nBcc: eve@example.org")
    mail = write_mail(evil, "bob@example.org", "Hi\r\nBcc: eve@example.org\r\n\r\nbody", "text")
    read = email.message_from_bytes(bytes(mail), policy=email.policy.default)
    assert read["Bcc"] is None and "Bcc: eve" in read["Subject"] and read.get_content().strip() == "text"


async def test_without_a_server_mails_are_private_files(settings: Settings) -> None:
    for number in range(3):
        await send_mail(settings, "bob@example.org", f"Mail {number}", "x")
    folder: Path = settings.path("mail")
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml"] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    first = email.message_from_bytes(files[0].read_bytes(), policy=email.policy.default)
    assert first["Subject"] == "Mail 0"


async def test_a_forgotten_password_travels_over_smtp(world: World) -> None:
    post = Post()
    await world.account("alice")
    browser = world.browser()
    await send_form(browser, "/password/forgotten", "/password/forgotten", email="alice@example.org")
    with smtp_server(post) as port:
        object.__setattr__(world.instance, "settings", with_server(world.settings, f"smtp://localhost:{port}"))
        await world.run_jobs()
    (mail,) = post.mails
    assert mail["To"] == "alice@example.org"
    page = await browser.get(f"/password/new/{link_in(mail)}")
    assert page.status_code == 200
