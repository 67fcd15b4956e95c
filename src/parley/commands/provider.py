"""`parley provider`: hosts, app stores, authorities and trusted flaggers. Parses, calls one action, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

app = typer.Typer(
    help="Hosts, app stores, authorities and trusted flaggers that report over the API or by mail.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="Name or id of the provider.")]
KINDS = ("host", "app_store", "authority", "trusted_flagger")
FORMATS = ("xarf4", "xarf3", "arf", "mail")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name of the provider: `Heavy Metal Hosting`.")],
    kind: Annotated[str, typer.Option(help="host, app_store, authority or trusted_flagger.")] = "host",
    contact: Annotated[str, typer.Option(help="Mail address to which answers go.")] = "",
    format: Annotated[str, typer.Option(help="What it usually writes: xarf4, xarf3, arf or mail.")] = "xarf4",
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Hide threats to life that it names until somebody decides.")
    ] = False,
    address: Annotated[list[str] | None, typer.Option(help="Mail address from which it writes; repeat it.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Domain from which it writes; repeat it.")] = None,
    address_suffices: Annotated[
        bool,
        typer.Option(
            "--address-suffices", help="Believe its mails without SPF or DKIM. Anybody can write such an address."
        ),
    ] = False,
    key: Annotated[
        Path | None, typer.Option(help="File with its Ed25519 public key: it must sign what it sends.")
    ] = None,
    webhook: Annotated[str, typer.Option(help="https address to which signed answers are posted.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a provider, and print its token: it is shown this once."""
    from parley.safety.notices.providers import create_provider
    from parley.safety.notices.views import NewProvider

    if kind not in KINDS:
        raise fail(f"--kind must be one of {', '.join(KINDS)}.")
    if format not in FORMATS:
        raise fail(f"--format must be one of {', '.join(FORMATS)}.")
    settings = settings_or_exit()

    async def make(tx: Any) -> Any:
        new = NewProvider(
            name=name,
            kind=kind,  # type: ignore[arg-type]
            contact_mail=contact,
            format=format,  # type: ignore[arg-type]
            trusted=trusted,
            addresses=tuple(address or ()),
            domains=tuple(domain or ()),
            address_suffices=address_suffices,
            public_key=key.read_text() if key else "",
            webhook_url=webhook,
        )
        return await create_provider(tx, None, new)

    made, token = with_transaction(settings, make)
    api = f"{settings.base_url}/api/abuse/v1/reports"
    result = {"id": str(made.id), "name": made.name, "kind": made.kind, "token": token, "api": api}
    show(
        result,
        as_json,
        f"{made.name} may report from now on. Its token, which nobody can show again:\n\n  {token}\n\n"
        f"  API:  {api}\n  mail: {settings.abuse_mail}",
    )


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the providers."""
    from parley.safety.notices.reads import list_providers

    async def read(tx: Any) -> Any:
        return await list_providers(tx, None)

    found = with_transaction(settings_or_exit(), read)
    rows = [
        {
            "id": str(one.id),
            "name": one.name,
            "kind": one.kind,
            "contact": one.contact_mail,
            "format": one.format,
            "trusted": one.trusted,
            "addresses": list(one.addresses),
            "domains": list(one.domains),
            "webhook": one.webhook_url,
            "has_token": one.has_token,
            "created_at": one.created_at.isoformat(),
            "revoked_at": one.revoked_at.isoformat() if one.revoked_at else None,
        }
        for one in found
    ]
    lines = [
        f"{one.id}  {one.name:<30} {one.kind:<16} {one.contact_mail:<30} {'struck off' if one.revoked_at else ''}"
        for one in found
    ]
    show({"providers": rows}, as_json, "\n".join(lines) or "There is no provider yet.")


@app.command("rotate")
def rotate(provider: Name, as_json: AsJson = False) -> None:
    """Give a provider another token; the old one is worthless at once."""
    from parley.safety.notices.providers import rotate_token

    async def renew(tx: Any) -> Any:
        return await rotate_token(tx, None, provider)

    made, token = with_transaction(settings_or_exit(), renew)
    result = {"id": str(made.id), "name": made.name, "token": token}
    show(result, as_json, f"The new token of {made.name}, which nobody can show again:\n\n  {token}")


@app.command("revoke")
def revoke(provider: Name, as_json: AsJson = False) -> None:
    """Strike a provider off. What it sent stays, and is answered."""
    from parley.safety.notices.providers import revoke_provider

    async def strike(tx: Any) -> Any:
        return await revoke_provider(tx, None, provider)

    made = with_transaction(settings_or_exit(), strike)
    show({"id": str(made.id), "name": made.name, "revoked": True}, as_json, f"{made.name} is struck off.")
