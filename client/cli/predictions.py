"""``similar`` and ``predictions``: what a classifier makes of crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.output import print_facts, print_json, print_table
from client.records import CropOrigin


def similar(
    context: typer.Context,
    crop_id: Annotated[str, typer.Argument(help="Id of the crop.", metavar="CROP")],
    *,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many.")] = 10,
    classifier: Annotated[
        str | None, typer.Option(help="name/version or name/alias; default: what classified it last.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only among the crops that this job made.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", "-s", help="Only in this sample.")] = None,
    origin: Annotated[CropOrigin | None, typer.Option(help="Only of this origin.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the crops that look most alike to a classifier, nearest first."""
    with connection_of(context).open() as client:
        found = client.similar(crop_id, k, classifier=classifier, job=job, sample=sample, origin=origin)
    if as_json:
        print_json([neighbour.as_json() for neighbour in found])
        return
    print_table(
        ["crop", "distance", "class", "predicted", "p", "sample", "origin"],
        [
            (n.crop_id, n.distance, n.crop_class, n.predicted_class, n.probability, n.sample, n.origin)
            for n in found
        ],
    )


def save_predictions(
    context: typer.Context,
    job_id: Annotated[str, typer.Argument(help="Id of a classification or scoring job.", metavar="JOB")],
    to: Annotated[Path, typer.Argument(help="File to write, .csv or .parquet.")],
    *,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Add 512 numbers per crop; .parquet only.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Save what a job said of every crop, for spreadsheets (CSV) or data frames (Parquet)."""
    with connection_of(context).open() as client:
        written = client.download_predictions(job_id, to, embeddings=embeddings)
    facts = {"file": str(written), "size_bytes": written.stat().st_size}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())
