"""`parley transparency`: reports, statements of reasons, compliance pages. Parses, calls actions, prints."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

app = typer.Typer(
    help="Proof for outsiders: transparency reports, statements of reasons, compliance pages of providers.",
    no_args_is_help=True,
)
address_app = typer.Typer(help="The secret addresses of providers' compliance pages.", no_args_is_help=True)
app.add_typer(address_app, name="address")

From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the period (UTC).")]
Until = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the period (UTC).")]
Provider = Annotated[str, typer.Argument(help="The provider's name, as `parley provider list` shows it.")]


@app.command("report")
def transparency_report(
    from_day: From,
    until_day: Until,
    format: Annotated[Literal["html", "json", "csv"], typer.Option(help="What is written.")] = "json",
    suppress: Annotated[
        int, typer.Option(min=0, max=100, help="Show figures about fewer than this only as `<5`. 0 shows everything.")
    ] = 0,
    to_file: Annotated[Path | None, typer.Option("--out", help="A file; without it the report is printed.")] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Freeze and sign it, and show it at /transparency. For good.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the transparency report of a period; with --publish, publish it."""
    from parley.safety.transparency.actions import publish_report
    from parley.safety.transparency.reads import draft_report
    from parley.safety.transparency.views import Report

    settings = settings_or_exit()

    async def make(tx: Any) -> tuple[Report, int | None]:
        report = await draft_report(tx, settings, None, from_day.date(), until_day.date(), suppress_below=suppress)
        return report, await publish_report(tx, settings, None, report) if publish else None

    report, report_id = with_transaction(settings, make)
    text = _write(report, format)
    if to_file is not None:
        to_file.write_text(text, encoding="utf-8", newline="")
    address = f"{settings.base_url}/transparency/{report_id}" if report_id is not None else None
    if as_json:
        result: dict[str, Any] = {"published": address, "id": str(report_id) if report_id is not None else None}
        result |= {"file": str(to_file)} if to_file is not None else {"report": msgspec.to_builtins(report)}
        show(result, True, "")
    elif to_file is not None or address is not None:
        lines = [f"Wrote {to_file}."] if to_file is not None else []
        lines += [f"Published at {address}. It cannot be changed any more, only corrected."] if address else []
        show({}, False, "\n".join(lines))
    else:
        typer.echo(text)


def _write(report: Any, format: str) -> str:
    from parley.safety.transparency.report import write_csv

    if format == "csv":
        return write_csv(report)
    if format == "html":
        from parley.web.transparency import write_html

        return write_html(report)
    return msgspec.json.format(msgspec.json.encode(report)).decode()


@app.command("list")
def transparency_list(as_json: AsJson = False) -> None:
    """List the reports that were published, the newest period first."""
    from parley.safety.transparency.reads import list_published_reports
    from parley.safety.transparency.views import PublishedReport

    settings = settings_or_exit()

    async def read(tx: Any) -> list[PublishedReport]:
        return await list_published_reports(tx, None)

    found = with_transaction(settings, read)
    rows = [
        {
            "id": str(one.id),
            "from": one.from_day.isoformat(),
            "to": one.until_day.isoformat(),
            "sha256": one.sha256,
            "url": f"{settings.base_url}/transparency/{one.id}",
            "corrects": str(one.corrects_id) if one.corrects_id else None,
        }
        for one in found
    ]
    lines = [f"{row['from']} to {row['to']}  {row['url']}{'  (correction)' if row['corrects'] else ''}" for row in rows]
    show({"reports": rows}, as_json, "\n".join(lines) or "None has been published.")


@app.command("statements")
def transparency_statements(
    from_day: From,
    until_day: Until,
    to: Annotated[Path, typer.Option("--out", help="A folder; each file holds what one request may send.")],
    as_json: AsJson = False,
) -> None:
    """Write the statements of reasons of a period as the EU's DSA Transparency Database takes them (API, version 2).

    Each file is the body of one request to /api/v1/statements, of at most 100 statements. No name and nothing that
    anybody wrote is in them.
    """
    from parley.safety.transparency.statements import list_statements

    settings = settings_or_exit()

    async def write(tx: Any) -> tuple[int, list[str]]:
        made: list[str] = []
        count = 0
        async for some in list_statements(tx, settings, from_day.date(), until_day.date()):
            path = to / f"statements-{len(made) + 1:04}.json"
            path.write_bytes(msgspec.json.format(msgspec.json.encode({"statements": some})))
            made.append(path.name)
            count += len(some)
        return count, made

    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise fail(f"{to} is not empty: name a new folder, so that nothing is sent twice.")
        count, made = with_transaction(settings, write)
    except OSError as error:
        raise fail(f"{to} cannot be written: {error.strerror}.") from error
    show({"statements": count, "files": made}, as_json, f"Wrote {count} statements in {len(made)} files to {to}.")


@app.command("country")
def transparency_country(
    name: Provider,
    country: Annotated[str, typer.Argument(help="Two letters (ISO 3166-1), such as DE.")],
    as_json: AsJson = False,
) -> None:
    """Say to which state an authority belongs: reports count its orders there."""
    from parley.safety.transparency.actions import set_country

    settings = settings_or_exit()

    async def change(tx: Any) -> str:
        return await set_country(tx, None, await _provider_id(tx, name), country)

    letters = with_transaction(settings, change)
    show({"provider": name, "country": letters}, as_json, f"{name} belongs to {letters or 'no state'}.")


@address_app.command("create")
def address_create(name: Provider, as_json: AsJson = False) -> None:
    """Make the secret address of a provider's compliance page; an earlier one stops working."""
    from parley.safety.transparency.actions import give_compliance_address

    settings = settings_or_exit()

    async def give(tx: Any) -> str:
        return await give_compliance_address(tx, settings, None, await _provider_id(tx, name))

    url = with_transaction(settings, give)
    show({"provider": name, "url": url}, as_json, f"The compliance page of {name}; give it to them alone:\n{url}")


@address_app.command("revoke")
def address_revoke(name: Provider, as_json: AsJson = False) -> None:
    """Take the address of a provider's compliance page back."""
    from parley.safety.transparency.actions import revoke_compliance_address

    settings = settings_or_exit()

    async def revoke(tx: Any) -> None:
        await revoke_compliance_address(tx, None, await _provider_id(tx, name))

    with_transaction(settings, revoke)
    show({"provider": name, "revoked": True}, as_json, f"The compliance page of {name} has no address any more.")


@address_app.command("list")
def address_list(as_json: AsJson = False) -> None:
    """Show the addresses that work now."""
    from parley.safety.transparency.reads import list_compliance_addresses

    settings = settings_or_exit()

    async def read(tx: Any) -> list[tuple[str, str]]:
        from parley.safety.transparency.reads import list_provider_names

        names = await list_provider_names(tx, None)
        found = await list_compliance_addresses(tx, settings, None)
        return [(names.get(provider_id, str(provider_id)), url) for provider_id, url in found.items()]

    rows = with_transaction(settings, read)
    plain = [{"provider": name, "url": url} for name, url in rows]
    show({"addresses": plain}, as_json, "\n".join(f"{name}: {url}" for name, url in rows) or "There is none.")


async def _provider_id(tx: Any, name: str) -> int:
    from parley.kit.errors import NotFound
    from parley.safety.transparency.reads import list_provider_names

    for provider_id, known in (await list_provider_names(tx, None)).items():
        if known.lower() == name.lower() or str(provider_id) == name:
            return provider_id
    raise NotFound(f"There is no provider {name!r}; `parley provider list` shows them.")
