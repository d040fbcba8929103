"""``keys`` and ``audit``: who may call, and who changed what."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import print_facts, print_json, print_table, remark
from client.errors import InvalidArgumentError
from client.records import ApiKey

app = typer.Typer(
    cls=ErrorExits,
    no_args_is_help=True,
    help="Make, list, replace and revoke API keys. Needs a key with the scope admin.",
)

KeyArgument = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.", metavar="KEY")]
DaysOption = Annotated[int | None, typer.Option("--days", min=1, max=3650, help="It ends after so many.")]


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who will hold it.", metavar="NAME")],
    *,
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, submit, review or admin; repeat for more.")
    ],
    days: DaysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it. It is shown now and never again; without --days it has no end."""
    with connection_of(context).open() as client:
        made = client.create_key(name, scope, expires_at=_in_days(days))
    _print_with_secret(made, as_json=as_json)


@app.command("list")
def list_keys(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List keys, when they end and when they were last used."""
    with connection_of(context).open() as client:
        found = list(client.api_keys())
    if as_json:
        print_json([key.as_json() for key in found])
        return
    print_table(
        ["key", "name", "scopes", "ends", "revoked", "last used", "replaces"],
        [
            (k.id, k.name, " ".join(k.scopes), k.expires_at, k.revoked_at, k.last_used_at, k.replaces)
            for k in found
        ],
    )


@app.command("rotate")
def rotate(
    context: typer.Context,
    key: KeyArgument,
    *,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=168, help="For how long the old key still works.")
    ] = 24,
    days: DaysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key's successor and print it; the old key ends after the overlap."""
    with connection_of(context).open() as client:
        made = client.rotate_key(key, overlap_hours=overlap_hours, expires_at=_in_days(days))
    _print_with_secret(made, as_json=as_json)


@app.command("revoke")
def revoke(context: typer.Context, key: KeyArgument, *, as_json: JsonOption = False) -> None:
    """Make a key useless from now on."""
    with connection_of(context).open() as client:
        revoked = client.revoke_key(key)
    if as_json:
        print_json(revoked.as_json())
        return
    print_facts([("key", revoked.id), ("name", revoked.name), ("revoked", revoked.revoked_at)])


def audit(
    context: typer.Context,
    *,
    actor: Annotated[str | None, typer.Option(help="Name of a key, or local.")] = None,
    subject: Annotated[str | None, typer.Option(help="Id of what was changed.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as key.created or crop.annotated.")] = None,
    since: Annotated[str | None, typer.Option(help="Not before this time: 2026-11-02 or RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List who changed what, oldest first. Needs a key with the scope admin."""
    with connection_of(context).open() as client:
        found = list(
            client.audit(actor=actor, subject=subject, action=action, since=_time(since), until=_time(until))
        )
    if as_json:
        print_json([entry.as_json() for entry in found])
        return
    print_table(
        ["at", "actor", "action", "subject", "details"],
        [(e.at, e.actor, e.action, e.subject, json.dumps(e.details) if e.details else None) for e in found],
    )


def _print_with_secret(key: ApiKey, *, as_json: bool) -> None:
    """The secret alone on stdout, so that a script can take it; everything else beside it."""
    if as_json:
        print_json(key.as_json())
    elif key.key is not None:
        typer.echo(key.key)
    if key.key is None:
        remark(f"The answer with the secret was lost on its way. Revoke {key.id} and make another.")
        return
    end = "without end" if key.expires_at is None else f"until {key.expires_at:%Y-%m-%d %H:%M}"
    remark(f"Key {key.id} ({key.name}), {end}. Keep it now; it is not shown again.")


def _in_days(days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _time(text: str | None) -> datetime | None:
    """Read a time; one without a zone is UTC, as all times of the service are."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{text!r} is no time; write 2026-11-02 or 2026-11-02T08:00Z.") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
