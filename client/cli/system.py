"""``health``: whether the service and its parts are there."""

from __future__ import annotations

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ExitCode
from client.cli.output import print_facts, print_json


def health(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Say whether database, broker and object store are reachable; ends with 4 if one is not."""
    with connection_of(context).open(attempts=1) as client:
        health_now = client.health()
        url = client.transport.base_url
    if as_json:
        print_json(health_now.as_json())
    else:
        parts = [(part.name, "ok" if part.ok else f"away: {part.detail}") for part in health_now.parts]
        print_facts([("service", url), ("ready", "yes" if health_now.ready else "no"), *parts])
    if not health_now.ready:
        raise typer.Exit(ExitCode.UNAVAILABLE)
