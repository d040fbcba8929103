"""The root command: options that all commands share, and the list of commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from client.cli import (
    access,
    artifacts,
    crops,
    datasets,
    filters,
    generation,
    images,
    jobs,
    predictions,
    review,
    scoring,
    studies,
    system,
    training,
    upload,
    webhooks,
)
from client.cli.connection import Connection, read_key
from client.cli.exits import ErrorExits
from client.http import DEFAULT_URL

app = typer.Typer(
    cls=ErrorExits,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Talk to a Karyobridge service. Exit codes: 0 done, 1 job failed or was cancelled, 2 wrong usage, "
    "3 some items failed, 4 no answer or unavailable, 5 refused by the service, 130 interrupted.",
)


@app.callback()
def root(
    context: typer.Context,
    *,
    url: Annotated[str, typer.Option(envvar="KARYOBRIDGE_URL", help="Address of the service.")] = DEFAULT_URL,
    api_key_file: Annotated[
        Path | None, typer.Option(help="File that holds the API key; else KARYOBRIDGE_API_KEY is used.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Longest silence of the service, in seconds.")] = 60.0,
    attempts: Annotated[int, typer.Option(min=1, max=20, help="How often a request is sent at most.")] = 5,
) -> None:
    """Prepare the connection."""
    api_key = read_key(api_key_file, os.environ.get("KARYOBRIDGE_API_KEY") or None)
    context.obj = Connection(url, api_key, timeout, attempts)


app.command("upload")(upload.upload)
app.command("score")(scoring.score)
app.command("classify")(scoring.classify)
app.command("generate")(generation.generate)
app.command("quality")(generation.quality)
app.command("run")(jobs.run)
app.command("watch")(jobs.watch)
app.command("annotate")(review.annotate)
app.command("suggest")(review.suggest)
app.command("similar")(predictions.similar)
app.command("predictions")(predictions.save_predictions)
app.command("health")(system.health)
app.command("audit")(access.audit)
app.add_typer(jobs.app, name="jobs")
app.add_typer(images.app, name="images")
app.add_typer(crops.app, name="crops")
app.add_typer(datasets.app, name="datasets")
app.add_typer(training.app, name="train")
app.add_typer(filters.app, name="filter")
app.add_typer(studies.app, name="study")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(access.app, name="keys")
