"""``annotate`` and ``suggest``: what people say of chromosomes, and which ones deserve a look."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.output import print_facts, print_json, print_table
from client.errors import InvalidArgumentError
from client.records import CropClass
from client.verdicts import read_verdicts


def annotate(
    context: typer.Context,
    crops: Annotated[list[str] | None, typer.Argument(help="Ids of crops.", metavar="CROP...")] = None,
    *,
    annotator: Annotated[str, typer.Option("--annotator", "-a", help="Who says so.")],
    crop_class: Annotated[CropClass | None, typer.Option("--class", help="What they are.")] = None,
    table: Annotated[
        Path | None,
        typer.Option("--from", help="CSV with the columns crop_id and class, as `crops export` writes it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record a person's verdicts: one class for the crops named, or a table of them.

    The newest verdict counts and earlier ones are kept. Rows of a table without a class are passed over.
    """
    if (table is None) == (not crops) or (table is None) != (crop_class is not None):
        raise InvalidArgumentError("Name crops and their --class, or a table with --from.")
    verdicts = read_verdicts(table) if table else [(crop, str(crop_class)) for crop in crops or []]
    if not verdicts:
        raise InvalidArgumentError(f"{table} holds no verdict: its column class is empty everywhere.")
    with connection_of(context).open() as client:
        annotated = client.annotate_all(verdicts, annotator)
    if as_json:
        print_json({"annotated": annotated})
    else:
        print_facts([("annotated", annotated), ("annotator", annotator)])


def suggest(
    context: typer.Context,
    *,
    job: Annotated[str | None, typer.Option(help="Among the crops that this job made.")] = None,
    image: Annotated[str | None, typer.Option(help="Among the crops of this image.")] = None,
    sample: Annotated[
        str | None, typer.Option("--sample", "-s", help="Among the crops of this sample.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Among the crops of this data set.")] = None,
    first: Annotated[int | None, typer.Option("--first", "-n", min=1, help="Only so many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List crops that a person may want to exclude, with the reasons. Nothing is changed."""
    if sum(value is not None for value in (job, image, sample, dataset)) != 1:
        raise InvalidArgumentError("Give exactly one of --job, --image, --sample and --dataset.")
    with connection_of(context).open() as client:
        asked = client.suggestions(job=job, image=image, sample=sample, dataset=dataset)
        found = list(islice(asked, first))
    if as_json:
        print_json([suggestion.as_json() for suggestion in found])
        return
    print_table(
        ["crop", "reasons"],
        [
            (one.crop_id, "\n".join(f"{reason.code}: {reason.detail}" for reason in one.reasons))
            for one in found
        ],
    )
