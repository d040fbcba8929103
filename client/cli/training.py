"""``train``: networks of one's own, from a data set."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.jobs import print_job, read_parameters
from client.cli.output import print_facts, print_table, remark
from client.errors import InvalidArgumentError
from client.figures import figures_of
from client.members import members, number
from client.records import Job

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="Train networks on data sets.")

DatasetOption = Annotated[str, typer.Option(help="Data set as name/version.")]
PresetOption = Annotated[
    Literal["default", "paper"] | None, typer.Option(help="Recipe; explicit options win over it.")
]
SeedOption = Annotated[int | None, typer.Option(min=0)]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="Any other parameter, as name=JSON; repeatable.")
]
LicenceOption = Annotated[str | None, typer.Option(help="SPDX expression or a short text.")]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for.")]
AliasOption = Annotated[str | None, typer.Option(help="Point this alias at the new version.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until the training ends.")]


@app.callback()
def train() -> None:
    """Train networks on data sets."""


@app.command("classifier")
def classifier(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The classifier that gets a new version.", metavar="NAME")],
    *,
    dataset: DatasetOption,
    start: Annotated[
        str | None, typer.Option("--from", help="Classifier to start from; default: random weights.")
    ] = None,
    preset: PresetOption = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Networks to train; the best is kept.")] = None,
    seed: SeedOption = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Slide to keep apart and report on; repeat for more.")
    ] = None,
    param: ParamOption = None,
    licence: LicenceOption = None,
    description: DescriptionOption = None,
    alias: AliasOption = None,
    wait: WaitOption = True,
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
    job = make_version(context, "classifier", "classifier_training", body, alias, wait=wait)
    print_job(job, as_json=as_json)
    if not as_json:
        _print_figures(job)
    raise typer.Exit(exit_code_of_jobs([job]))


@app.command("generator")
def generator(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The generator that gets a new version.", metavar="NAME")],
    *,
    dataset: DatasetOption,
    method: Annotated[
        Literal["bbdm", "cyclegan"] | None, typer.Option(help="Brownian Bridge (default), or its rival.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Bridge to start from; default: random weights.")
    ] = None,
    preset: PresetOption = None,
    size: Annotated[
        Literal["small", "medium", "paper"] | None,
        typer.Option(help="Of a bridge's network; small trains on a CPU."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps; or give --epochs.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training aberrations; or give --steps.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Crops per step.")] = None,
    seed: SeedOption = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Slide to learn nothing from; repeat for more.")
    ] = None,
    param: ParamOption = None,
    licence: LicenceOption = None,
    description: DescriptionOption = None,
    alias: AliasOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Train a generator on the aberrations of a data set; its pictures over time come with the version."""
    body: dict[str, Any] = {
        "name": name,
        "dataset": dataset,
        "method": method,
        "generator": start,
        "preset": preset,
        "size": size,
        "steps": steps,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "leave_out_groups": leave_out or None,
        "licence": licence,
        "description": description,
        **read_parameters(param or []),
    }
    job = make_version(context, "generator", "generator_training", body, alias, wait=wait)
    print_job(job, as_json=as_json)
    if not as_json:
        _print_losses(job)
    raise typer.Exit(exit_code_of_jobs([job]))


def make_version(
    context: typer.Context, kind: str, job_kind: str, body: dict[str, Any], alias: str | None, *, wait: bool
) -> Job:
    """Submit a job that makes a version of an artifact kind, and see it through to its alias if wanted."""
    if alias is not None and not wait:
        raise InvalidArgumentError("--alias needs the end of the job; leave --no-wait out.")
    with connection_of(context).open() as client:
        job = client.submit(job_kind, **body)
        remark(f"Submitted {job.id}.")
        if wait:
            job = follow_jobs(client, [job.id])[0]
        version = str((job.result or {}).get("artifact", "")).rpartition("/")[2]
        if alias is not None and job.status == "succeeded":
            client.set_alias(kind, body["name"], alias, int(version))
    return job


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


def _print_losses(job: Job) -> None:
    """A generator has no figure of its own that says how good it is: its pictures do."""
    result = members(job.result)
    metrics = members(result.get("metrics"))
    losses = [(f"last {name}", number(value)) for name, value in members(metrics.get("training")).items()]
    losses.append(("validation loss", number(metrics.get("validation_loss"))))
    facts = [(name.replace("_", " "), f"{value:.4g}") for name, value in losses if value is not None]
    if metrics.get("collapse"):
        facts.append(("collapse", str(metrics["collapse"])))
    if facts:
        print_facts(facts)
    if "artifact" in result:
        remark(
            f"Curves and samples over time: `artifacts download generator {result['artifact']} FILE.zip`. "
            "How good its crops are: `generate`."
        )
