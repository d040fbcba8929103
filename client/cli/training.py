"""``train``: networks of one's own, from a data set."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.jobs import print_job, read_parameters
from client.cli.output import print_table, remark
from client.errors import InvalidArgumentError
from client.figures import figures_of
from client.records import Job

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="Train networks on data sets.")


@app.callback()
def train() -> None:
    """Train networks on data sets."""


@app.command("classifier")
def classifier(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The classifier that gets a new version.", metavar="NAME")],
    *,
    dataset: Annotated[str, typer.Option(help="Data set as name/version.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Classifier to start from; default: random weights.")
    ] = None,
    preset: Annotated[
        Literal["default", "paper"] | None, typer.Option(help="Recipe; explicit options win over it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Networks to train; the best is kept.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Slide to keep apart and report on; repeat for more.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Any other parameter, as name=JSON; repeatable.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX expression or a short text.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    alias: Annotated[str | None, typer.Option(help="Point this alias at the new version.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until the training ends.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier on a data set and print how good it is on slides that it did not see."""
    body: dict[str, Any] = {
        "name": name,
        "dataset": dataset,
        "classifier": start,
        "preset": preset,
        "epochs": epochs,
        "num_seeds": seeds,
        "seed": seed,
        "leave_out_groups": leave_out or None,
        "licence": licence,
        "description": description,
        **read_parameters(param or []),
    }
    if alias is not None and not wait:
        raise InvalidArgumentError("--alias needs the end of the training; leave --no-wait out.")
    with connection_of(context).open() as client:
        job = client.submit("classifier_training", **body)
        remark(f"Submitted {job.id}.")
        if wait:
            job = follow_jobs(client, [job.id])[0]
        version = str((job.result or {}).get("artifact", "")).rpartition("/")[2]
        if alias is not None and job.status == "succeeded":
            client.set_alias("classifier", name, alias, int(version))
    print_job(job, as_json=as_json)
    if not as_json:
        _print_figures(job)
    raise typer.Exit(exit_code_of_jobs([job]))


def _print_figures(job: Job) -> None:
    rows = list(figures_of((job.result or {}).get("metrics")))
    if rows:
        print_table(
            ["split", "per", "count", "aberrations", "precision", "recall", "F1", "average precision"],
            [
                (r.split, r.unit, r.count, r.aberrations, r.precision, r.recall, r.f1, r.average_precision)
                for r in rows
            ],
            title="Of the aberration class, with 95 % intervals",
        )
