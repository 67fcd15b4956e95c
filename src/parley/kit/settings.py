"""Settings: one documented class, read from `parley.toml` and from the environment (which wins).

The name of a setting in the environment is `PARLEY_` and its upper-case name. A wrong setting stops the start with
a sentence that says which and why; this module must not fall back silently.
"""

# Long because every setting stands here with its meaning.

from __future__ import annotations

import ast
import base64
import os
import re
import tomllib
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import msgspec

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
PREFIX = "PARLEY_"
HOST_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
"""What a host may be called: it is part of a DNS name in certificates, and stands in PostgreSQL's configuration."""

KEY_BYTES = 32
"""Length of `secret_key`, for AES-256."""

INTERNAL = "PARLEY_INTERNAL_"
"""What the supervisor tells its own children; not settings."""


class SettingsError(Exception):
    """A setting is wrong; the text is one sentence for the operator."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True, kw_only=True):
    """Everything an operator can set. An instance starts with four: name, domain, data_dir and mail."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] = "Parley"
    """The instance's name, shown on every page and to every app."""

    domain: str = ""
    """The public domain, with a port only on loopback: `social.example` or `localhost:3000`. It is part of every
    member's address and cannot be changed later. Default: `localhost:<port>`, for trying Parley out."""

    data_dir: Path = Path("var")
    """Folder for everything that must be kept: the embedded database, media, mails (when no server is set), keys."""

    mail: str = ""
    """Where mail goes out: `smtp://user:password@host:587` (STARTTLS), `smtps://...:465` (TLS), or
    `smtp://localhost:25`. Empty: mails are written as files into `<data_dir>/mail`."""

    mail_from: str = ""
    """Sender address of mails. Default: `parley@<domain>`."""

    description: str = "A place to talk."
    """One or two sentences about this instance."""

    contact_email: str = ""
    """Address of the operator that apps and the about page show."""

    host: str = "127.0.0.1"
    """Address to listen on. `0.0.0.0` for all."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3000
    """Port to listen on."""

    database_url: str = ""
    """`postgresql://...` of any PostgreSQL 15 or newer. Empty: the embedded PostgreSQL in `<data_dir>/postgres`."""

    media_store: str = ""
    """Where media lives: empty for `<data_dir>/media`, or `s3://bucket/prefix` (credentials and endpoint from the
    usual AWS_ environment variables)."""

    registrations: Literal["open", "approval", "invite", "closed"] = "open"
    """Who may sign up: anyone; anyone, after a moderator approves; holders of an invitation; nobody."""

    email_confirmation: bool = True
    """Whether a new member must confirm the e-mail address before signing in."""

    rate_limits: Literal["on", "off"] = "on"
    """Off is for tests on loopback only."""

    web_processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """How many processes serve HTTP."""

    database_connections: Annotated[int, msgspec.Meta(ge=2, le=200)] = 10
    """The most database connections that one process opens."""

    max_characters: Annotated[int, msgspec.Meta(ge=100, le=100_000)] = 1000
    """Length limit of a post."""

    max_image_mb: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    """Largest picture that may be uploaded, in MiB."""

    max_video_mb: Annotated[int, msgspec.Meta(ge=1, le=4000)] = 99
    """Largest video or sound that may be uploaded, in MiB."""

    read_pictures: bool = True
    """Whether words in pictures are read for the judge. It takes the extra `ocr` (`pip install parley[ocr]`) and some
    seconds of one core for each picture; without the extra nothing is read."""

    member_storage_mb: Annotated[int, msgspec.Meta(ge=0)] = 10_240
    """How much one member may store, media and profile pictures together, in MiB. 0: no limit."""

    max_archive_mb: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 4096
    """Largest archive of own posts that a member may bring along from another server, in MiB. 0: none are taken."""

    fanout_limit: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Authors with more followers than this are merged into home timelines when they are read instead of being
    written to each. The default was chosen by measurement: see docs/decisions/."""

    support_url: str = "https://findahelpline.com"
    """Where members are sent whose post sounds as if they were in danger: a page of places that help."""

    policy_dir: str = ""
    """Folder with the moderation policy. Empty: the policy that ships with Parley."""

    four_eyes: bool = True
    """Whether a change of the policy that would stop many posts, a large list for a bank, the end of an account, and a
    decision about many posts at once need a second member of the staff. Off is for instances that one person runs;
    everything that would have needed a second one then says so for ever."""

    jury: bool = False
    """Whether members who wish to may sit on juries: five of them, drawn by lot, decide what is not urgent, and appeals
    that nobody else here may review. Takes a few dozen active members who opt in; off is right for small instances."""

    outside_model_url: str = ""
    """Base URL of an outside model that is asked about public posts after they are published, such as
    `http://127.0.0.1:8000/v1`. Empty: none is asked. See docs/operators/outside-models.md."""

    outside_model_kind: Literal["moderation", "chat"] = "moderation"
    """What the outside model speaks: OpenAI's `/moderations`, or `/chat/completions`."""

    outside_model_name: str = ""
    """Name of the outside model, as its server knows it."""

    outside_model_key: str = ""
    """Key that is sent to the outside model, as a bearer token."""

    outside_model_timeout: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10.0
    """Seconds within which the outside model must have answered."""

    outside_model_budget: Annotated[int, msgspec.Meta(ge=0)] = 5000
    """How often the outside model may be asked in a day (UTC)."""

    outside_model_flag: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.6
    """From which score of the outside model on a post is put before a moderator."""

    outside_model_hold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    """From which score of the outside model on a post is hidden until a moderator has looked at it."""

    snapshot_to: str = ""
    """Where a snapshot goes every night: a folder, or `s3://bucket/prefix` (credentials and endpoint from the usual
    AWS_ environment variables). Best at another provider. Empty: none is made."""

    snapshot_keep: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 14
    """How many snapshots are kept there."""

    snapshot_recipient: str = ""
    """Public recovery key (`age1...`) to which snapshots are encrypted. Empty: a pair is made with the first snapshot;
    its private half is in `<data_dir>/recovery.key` until you carry it away."""

    abuse_address: str = ""
    """Mail address to which hosts, app stores, authorities and everybody else may write about content here.
    Default: `abuse@<domain>`."""

    abuse_listen: str = ""
    """Where the worker takes abuse mail itself: `smtp://0.0.0.0:2525`, `lmtp://127.0.0.1:2424`, or `lmtp:///run/abuse.sock`
    for a mail server on this machine. Empty: nowhere. See docs/operators/abuse-mail.md."""

    abuse_certificate: str = ""
    """File (PEM) with the certificate and its key that the listener offers with STARTTLS. Empty: it offers none."""

    abuse_imap: str = ""
    """Mailbox that is read every minute instead: `imaps://user:password@host/INBOX`. Mails that were taken are moved to
    the folder `Parley` below it. Empty: none is read."""

    abuse_relay: str = ""
    """Name by which your own mail server signs its `Authentication-Results` (RFC 8601): SPF, DKIM and DMARC results are
    believed from it alone. Empty: no mail counts as authenticated."""

    abuse_daily_mib: int = 512
    """MiB of raw messages (mails, reports of hosts) that are taken in a day of all strangers together, and of each
    provider. Whoever sends more is told when to come back."""

    abuse_kept_mib: int = 20_480
    """MiB of raw messages that are kept in all. Strangers can fill three quarters of it; when most of it is used, those
    who run the instance are told by mail, on their page, and in the metrics."""

    other_hosts: tuple[str, ...] = ()
    """Other names and addresses under which this instance is or was reached, such as a host for media: notices that
    name them are about this instance too."""

    holding_to: str = ""
    """Where `parley holding` publishes the page that people see when the instance is away: a folder that a web server
    elsewhere serves, or `s3://bucket/prefix`. Best at a third provider."""

    dns: str = ""
    """How `parley dns` changes where the domain points: `rfc2136://key-name:base64-key@server:53/zone` (add
    `?algorithm=hmac-sha512` for another than hmac-sha256), or `lexicon://provider/zone` for the API of a DNS company
    that dns-lexicon knows, with what it needs in the environment, such as `LEXICON_GANDI_AUTH_TOKEN`."""

    witness: str = ""
    """The third place in which the hosts of this instance keep their lease: `s3://bucket/prefix/lease.json`, with
    credentials from the usual AWS_ variables, or with its own:
    `s3://KEY-ID:SECRET@bucket/prefix/lease.json?endpoint=https://s3.example.net&region=eu-1`. The store must refuse
    conditional writes that come too late (If-Match). Empty: no host ever takes over by itself."""

    lease_seconds: Annotated[float, msgspec.Meta(ge=1, le=300)] = 5.0
    """For how long the host that may write may go on without having renewed its lease; it is renewed three times as
    often. A standby waits a little longer than this before it takes over."""

    failover: Literal["manual", "auto"] = "manual"
    """Whether the standby takes over by itself when the primary's lease has run out and nothing can be lost by it;
    `manual`: by `parley failover` alone."""

    degrade_after: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 60.0
    """Seconds after which a synchronous primary that has lost its standby goes on alone, once it has written into the
    lease that the standby may not take over by itself any more. Until then writes are answered with 503. 0: never;
    without `witness` it takes `parley failover degrade` as well."""

    hold_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    """For how many seconds writes wait at most while the instance moves to another host. After that they are answered
    with 503."""

    link_listen: str = ""
    """Where this host talks to the instance's other hosts: `0.0.0.0:7443`. Everything there is TLS 1.3 with
    certificates on both sides. Empty: the instance has one host. See docs/operators/two-hosts.md."""

    host_name: str = ""
    """Name of this host among the instance's hosts: lowercase letters, digits and hyphens. Empty: `a` for the first,
    and for another the name with which it was added."""

    postgres_binaries: str = ""
    """Folder with the programs of a PostgreSQL of your own, 15 or newer, such as `/usr/lib/postgresql/17/bin`, which
    Parley then runs in the place of the embedded one. Every host of an instance needs the same major version."""

    standby_commits: Literal["async", "sync"] = "async"
    """Whether a write is acknowledged only once the standby has it as well (`sync`). `parley standby init --commits`
    says it anew."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose X-Forwarded-For is believed."""

    metrics_token: str = ""
    """Bearer token with which `/metrics` is read from anywhere (at least 16 characters). Empty: it is read from this
    very machine alone, and not through a proxy."""

    secret_key: str = ""
    """Key that seals secrets at rest, 32 bytes in base64. Empty: made once and kept in `<data_dir>/secret.key`."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged."""

    @cached_property
    def local_domain(self) -> str:
        """The domain with its port, as in members' addresses."""
        return (self.domain or f"localhost:{self.port}").lower()

    @cached_property
    def is_loopback(self) -> bool:
        """True when the domain is this machine itself, where plain http is fine."""
        host = self.local_domain.rsplit(":", 1)[0] if ":" in self.local_domain.split("]")[-1] else self.local_domain
        return host in LOOPBACK or host.endswith(".localhost")

    @cached_property
    def base_url(self) -> str:
        """Scheme and authority of every URL that we make, without a trailing slash."""
        if not self.is_loopback:
            return f"https://{self.local_domain}"
        has_port = ":" in self.local_domain.split("]")[-1]
        return f"http://{self.local_domain}" if has_port else f"http://{self.local_domain}:{self.port}"

    @cached_property
    def abuse_mail(self) -> str:
        """The address for abuse mail."""
        return (self.abuse_address or f"abuse@{self.local_domain.split(':')[0]}").lower()

    @cached_property
    def sender(self) -> str:
        """The From address of mails."""
        return self.mail_from or f"parley@{self.local_domain.split(':')[0]}"

    def path(self, *parts: str) -> Path:
        """A path below the data folder."""
        return self.data_dir.expanduser().resolve().joinpath(*parts)


def load_settings(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Settings:
    """Settings from `file` (default `$PARLEY_CONFIG` or `./parley.toml`, if there) and the environment.

    Raises SettingsError with one sentence that names the setting, where it was read and what it may be.
    """
    environ = os.environ if environ is None else environ
    file = file or Path(environ.get("PARLEY_CONFIG", "parley.toml"))
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    if file.exists():
        try:
            values.update(tomllib.loads(file.read_text()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} is not valid TOML: {error}.") from error
        origin = dict.fromkeys(values, str(file))
    elif "PARLEY_CONFIG" in environ:
        raise SettingsError(f"PARLEY_CONFIG names {file}, which does not exist.")
    known = {field.name: field for field in msgspec.structs.fields(Settings)}
    for key, text in environ.items():
        name = key.removeprefix(PREFIX).lower()
        if key.startswith(PREFIX) and key != "PARLEY_CONFIG" and not key.startswith(INTERNAL):
            if name not in known:
                raise SettingsError(f"{key} is not a setting of Parley; `parley check-config` lists them.")
            values[name] = text.split(",") if known[name].type == tuple[str, ...] else text
            origin[name] = key
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"{origin[name]} sets {name}, which is not a setting of Parley.")
        try:
            values[name] = msgspec.convert(
                _plain(value, known[name].type), known[name].type, strict=False, dec_hook=_as_path
            )
        except msgspec.ValidationError as error:
            said = _what_it_may_be(known[name].type) or str(error).split(" - at")[0]
            raise SettingsError(f"{name} (from {origin[name]}) is {value!r}: {said}.") from error
    settings = Settings(**values)
    _check(settings)
    return settings


def _as_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


def _plain(value: Any, kind: Any) -> Any:
    if kind is bool and isinstance(value, str) and value.lower() in ("yes", "on", "no", "off"):
        return value.lower() in ("yes", "on")
    return value


def _what_it_may_be(kind: Any) -> str:
    """In words, where the library's own would be about types; empty when it says it better."""
    if get_origin(kind) is Literal:
        return f"give one of {', '.join(get_args(kind))}"
    return "give true or false" if kind is bool else ""


NAME_OF_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""A full domain in ASCII (RFC 1123); one in other letters is written as `xn--...`."""


def _check(settings: Settings) -> None:
    """Rules that span several settings, or that a type cannot say."""
    domain = settings.local_domain
    if "/" in domain or "@" in domain or " " in domain:
        raise SettingsError(f"domain is {domain!r}: give the bare domain, such as social.example.")
    if not settings.is_loopback and ":" in domain:
        raise SettingsError(f"domain is {domain!r}: a public domain has no port.")
    if not settings.is_loopback and "." not in domain:
        raise SettingsError(f"domain is {domain!r}: give a full domain, such as social.example.")
    if not settings.is_loopback and not NAME_OF_HOST.fullmatch(domain):
        raise SettingsError(
            f"domain is {domain!r}: a domain has letters a to z, digits, hyphens and dots; write others as xn--..."
        )
    if settings.is_loopback and _port_of(urlsplit(settings.base_url)) is None:
        raise SettingsError(f"domain is {domain!r}: what follows the colon must be a port, such as localhost:3000.")
    if settings.rate_limits == "off" and not settings.is_loopback:
        raise SettingsError("rate_limits is off: that is for tests on a loopback domain only; remove the setting.")
    _check_hosts(settings)
    if settings.database_url and urlsplit(settings.database_url).scheme not in ("postgresql", "postgres"):
        raise SettingsError("database_url must begin with postgresql://.")
    if settings.mail and urlsplit(settings.mail).scheme not in ("smtp", "smtps"):
        raise SettingsError("mail must begin with smtp:// or smtps://; leave it empty to write mails to a folder.")
    if settings.mail and not (urlsplit(settings.mail).hostname and _port_is_right(urlsplit(settings.mail))):
        raise SettingsError("mail names no server: give smtp://user:password@mail.example:587.")
    if settings.secret_key and not _is_key(settings.secret_key):
        raise SettingsError("secret_key must be 32 random bytes in base64, as `openssl rand -base64 32` makes them.")
    _check_abuse_mail(settings)
    if settings.metrics_token and len(settings.metrics_token) < 16:
        raise SettingsError("metrics_token is too short to be a secret: give at least 16 characters.")
    if settings.outside_model_url:
        _check_outside_model(settings)
    _check_failover(settings)
    if settings.media_store and urlsplit(settings.media_store).scheme != "s3":
        raise SettingsError("media_store must be empty (a folder below data_dir) or begin with s3://.")
    if settings.data_dir.exists() and not settings.data_dir.is_dir():
        raise SettingsError(f"data_dir is {settings.data_dir}, which is a file; name a folder.")
    if settings.policy_dir and not Path(settings.policy_dir).is_dir():
        raise SettingsError(f"policy_dir is {settings.policy_dir}, which is not a folder.")


def _check_failover(settings: Settings) -> None:
    if settings.witness:
        place = urlsplit(settings.witness)
        if place.scheme != "s3" or not place.hostname or not place.path.strip("/"):
            raise SettingsError("witness must name an object in a bucket: s3://bucket/prefix/lease.json.")
        if bool(place.username) != bool(place.password):
            raise SettingsError("witness has half of a key: s3://KEY-ID:SECRET@bucket/prefix/lease.json.")
    elif settings.failover == "auto":
        raise SettingsError("failover is auto: that needs a witness in a third place; see docs/operators/failover.md.")


def _check_hosts(settings: Settings) -> None:
    host, _, port = settings.link_listen.rpartition(":")
    if settings.link_listen and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise SettingsError(f"link_listen is {settings.link_listen!r}: give an address and a port, 0.0.0.0:7443.")
    if settings.host_name and not HOST_NAME.fullmatch(settings.host_name):
        raise SettingsError(
            f"host_name is {settings.host_name!r}: give 1 to 30 lowercase letters, digits and hyphens, a letter first."
        )


def _check_abuse_mail(settings: Settings) -> None:
    listen = urlsplit(settings.abuse_listen) if settings.abuse_listen else None
    if listen is not None:
        to_socket = listen.scheme == "lmtp" and listen.path.startswith("/")
        if listen.scheme not in ("smtp", "lmtp") or not (to_socket or (listen.hostname and _port_of(listen))):
            raise SettingsError("abuse_listen must be smtp://ADDRESS:PORT, lmtp://ADDRESS:PORT or lmtp:///PATH.")
    if settings.abuse_imap:
        mailbox = urlsplit(settings.abuse_imap)
        if mailbox.scheme not in ("imap", "imaps") or not mailbox.hostname or not mailbox.username:
            raise SettingsError("abuse_imap must be imaps://USER:PASSWORD@HOST/FOLDER.")
    if settings.abuse_certificate and not Path(settings.abuse_certificate).is_file():
        raise SettingsError(f"abuse_certificate is {settings.abuse_certificate}, which is not a file.")
    if settings.abuse_address and "@" not in settings.abuse_address:
        raise SettingsError("abuse_address must be a mail address, such as abuse@social.example.")


def _port_of(address: SplitResult) -> int | None:
    try:
        return address.port
    except ValueError:
        return None


def _port_is_right(address: SplitResult) -> bool:
    """False for a port that is no number or too large; none at all is fine."""
    try:
        return address.port != 0
    except ValueError:
        return False


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == KEY_BYTES
    except ValueError:
        return False


def _check_outside_model(settings: Settings) -> None:
    parts = urlsplit(settings.outside_model_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError("outside_model_url must be a plain URL such as http://127.0.0.1:8000/v1.")
    if parts.username or parts.password:
        raise SettingsError("outside_model_url holds a password: put it into outside_model_key.")
    if settings.outside_model_kind == "chat" and not settings.outside_model_name:
        raise SettingsError("outside_model_name is empty: a chat model needs its name.")
    if settings.outside_model_flag > settings.outside_model_hold:
        raise SettingsError("outside_model_flag is above outside_model_hold: flag the milder, hold the worse.")


class Described(msgspec.Struct, frozen=True):
    """One setting for people: its name, environment variable, value (secrets hidden) and meaning."""

    name: str
    variable: str
    value: str
    meaning: str


SECRET = ("secret_key", "database_url", "mail", "metrics_token", "outside_model_key", "abuse_imap", "dns", "witness")


def describe_settings(settings: Settings) -> list[Described]:
    """Every setting in the order of the class, with the meaning written beside it there."""
    meanings = _meanings()
    rows = []
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        shown = ("(set)" if value else "") if field.name in SECRET else str(value)
        rows.append(Described(field.name, PREFIX + field.name.upper(), shown, meanings[field.name]))
    return rows


def _meanings() -> dict[str, str]:
    """The sentences below each field of Settings, read from this file's own source."""
    body = next(
        node
        for node in ast.parse(Path(__file__).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
    ).body
    found = {}
    for field, doc in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(doc, ast.Expr)
            assert isinstance(doc.value, ast.Constant)
            found[field.target.id] = " ".join(str(doc.value.value).split())
    return found
