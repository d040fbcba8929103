"""``crops``: the chromosomes, listed or exported to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import count_progress, print_facts, print_json, print_table
from client.errors import InvalidArgumentError
from client.exporting import export_crops

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="List and export chromosomes.")

ImageOption = Annotated[str | None, typer.Option(help="Only crops of this image.")]
JobOption = Annotated[str | None, typer.Option(help="Only crops that this job made.")]
SampleOption = Annotated[str | None, typer.Option("--sample", "-s", help="Only crops of this sample.")]
OriginOption = Annotated[
    Literal["segmented", "imported", "generated"] | None, typer.Option(help="Only crops of this origin.")
]
ClassOption = Annotated[
    Literal["normal", "aberration", "excluded"] | None,
    typer.Option("--class", help="Only crops that a person gave this class."),
]


@app.command("list")
def list_crops(
    context: typer.Context,
    *,
    image: ImageOption = None,
    job: JobOption = None,
    sample: SampleOption = None,
    origin: OriginOption = None,
    crop_class: ClassOption = None,
    as_json: JsonOption = False,
) -> None:
    """List crops, oldest first."""
    filters = _filters(image, job, sample, origin, crop_class)
    with connection_of(context).open() as client:
        found = list(client.crops(**filters))
    if as_json:
        print_json([crop.as_json() for crop in found])
        return
    print_table(
        ["crop", "image", "sample", "box y0 x0 y1 x1", "area px", "flags", "class"],
        [
            (
                crop.id,
                crop.image_id,
                crop.sample,
                " ".join(map(str, crop.bbox)),
                crop.area_px,
                " ".join(crop.flags),
                crop.crop_class,
            )
            for crop in found
        ],
    )


@app.command("export")
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write to; made if missing.")],
    *,
    image: ImageOption = None,
    job: JobOption = None,
    sample: SampleOption = None,
    origin: OriginOption = None,
    crop_class: ClassOption = None,
    channel: Annotated[
        Literal["red", "green", "dapi"] | None, typer.Option(help="One channel in grey instead of colour.")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Also save the label image of each metaphase.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write crops as PNG and a CSV that describes them. Run it again to continue."""
    filters = _filters(image, job, sample, origin, crop_class)
    if not filters:
        raise InvalidArgumentError("Say which crops: --image, --job, --sample, --origin or --class.")
    with connection_of(context).open() as client, count_progress() as progress:
        task = progress.add_task("exporting crops", total=None)
        report = export_crops(
            client,
            folder,
            filters=filters,
            channel=channel,
            masks=masks,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    facts = {
        "folder": str(report.folder),
        "manifest": str(report.manifest),
        "crops": report.crops,
        "fetched": report.fetched,
        "already_there": report.kept,
        "masks": report.masks,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())


def _filters(
    image: str | None, job: str | None, sample: str | None, origin: str | None, crop_class: str | None
) -> dict[str, Any]:
    given = {"image": image, "job": job, "sample": sample, "origin": origin, "class": crop_class}
    return {name: value for name, value in given.items() if value is not None}
