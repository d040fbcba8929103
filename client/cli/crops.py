"""``crops``: the chromosomes, listed, shown or exported to a folder."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import count_progress, print_facts, print_json, print_table
from client.errors import InvalidArgumentError
from client.exporting import export_crops
from client.records import Crop, CropClass, CropOrigin, CropSort, PredictedClass

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="List, show and export chromosomes.")

ImageOption = Annotated[str | None, typer.Option(help="Only crops of this image.")]
JobOption = Annotated[str | None, typer.Option(help="Only crops that this job made.")]
SampleOption = Annotated[str | None, typer.Option("--sample", "-s", help="Only crops of this sample.")]
OriginOption = Annotated[CropOrigin | None, typer.Option(help="Only crops of this origin.")]
SourceOption = Annotated[
    str | None, typer.Option("--source-crop", help="Only what was generated from this crop.")
]
ClassOption = Annotated[
    CropClass | None,
    typer.Option(
        "--class", help="Only crops that a person gave this class; without a verdict the prediction counts."
    ),
]
PredictedOption = Annotated[
    PredictedClass | None, typer.Option("--predicted-class", help="Only crops that were predicted so.")
]
MinOption = Annotated[
    float | None,
    typer.Option("--min-probability", min=0, max=1, help="Least probability of an aberration."),
]
MaxOption = Annotated[
    float | None,
    typer.Option("--max-probability", min=0, max=1, help="Largest probability of an aberration."),
]
ClassifierOption = Annotated[
    str | None, typer.Option(help="Only what this name/version classified, with its own predictions.")
]
DatasetOption = Annotated[str | None, typer.Option(help="Only crops of this data set, as name/version.")]
AnnotatedOption = Annotated[
    bool | None, typer.Option("--annotated/--not-annotated", help="Only crops with, or without, a verdict.")
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help="Only what this filter scored, as name/version or name/alias.")
]
FilteredByOption = Annotated[str | None, typer.Option(help="Only what this filtering job scored.")]
KeptOption = Annotated[
    bool | None, typer.Option("--kept/--rejected", help="Only crops that the filter keeps, or rejects.")
]
SortOption = Annotated[
    CropSort | None,
    typer.Option(help="-probability: most suspicious first; crops without a prediction are left out."),
]


@app.command("list")
def list_crops(
    context: typer.Context,
    *,
    image: ImageOption = None,
    job: JobOption = None,
    sample: SampleOption = None,
    origin: OriginOption = None,
    source_crop: SourceOption = None,
    crop_class: ClassOption = None,
    predicted_class: PredictedOption = None,
    min_probability: MinOption = None,
    max_probability: MaxOption = None,
    classifier: ClassifierOption = None,
    dataset: DatasetOption = None,
    annotated: AnnotatedOption = None,
    filter_ref: FilterOption = None,
    filtered_by: FilteredByOption = None,
    kept: KeptOption = None,
    sort: SortOption = None,
    first: Annotated[int | None, typer.Option("--first", "-n", min=1, help="Only so many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List crops, oldest first, or by their probability of an aberration."""
    filters = _filters(
        image=image,
        job=job,
        sample=sample,
        origin=origin,
        source_crop=source_crop,
        crop_class=crop_class,
        predicted_class=predicted_class,
        min_probability=min_probability,
        max_probability=max_probability,
        classifier=classifier,
        dataset=dataset,
        annotated=annotated,
        filter_ref=filter_ref,
        filtered_by=filtered_by,
        kept=kept,
        sort=sort,
    )
    with connection_of(context).open() as client:
        found = list(islice(client.crops(**filters), first))
    if as_json:
        print_json([crop.as_json() for crop in found])
        return
    print_table(
        ["crop", "image", "sample", "box y0 x0 y1 x1", "area px", "flags", "class", "predicted", "p"],
        [_cells(crop, classifier) for crop in found],
    )


@app.command("show")
def show(
    context: typer.Context,
    crop_id: Annotated[str, typer.Argument(help="Id of the crop.", metavar="CROP")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Show one chromosome: place, verdicts, predictions, and how it was made if it is synthetic."""
    with connection_of(context).open() as client:
        found = client.crop(crop_id).as_json()
    if as_json:
        print_json(found)
    else:
        print_facts((key, json.dumps(v) if isinstance(v, dict | list) else v) for key, v in found.items())


@app.command("export")
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write to; made if missing.")],
    *,
    image: ImageOption = None,
    job: JobOption = None,
    sample: SampleOption = None,
    origin: OriginOption = None,
    source_crop: SourceOption = None,
    crop_class: ClassOption = None,
    predicted_class: PredictedOption = None,
    min_probability: MinOption = None,
    max_probability: MaxOption = None,
    classifier: ClassifierOption = None,
    dataset: DatasetOption = None,
    annotated: AnnotatedOption = None,
    filter_ref: FilterOption = None,
    filtered_by: FilteredByOption = None,
    kept: KeptOption = None,
    sort: SortOption = None,
    channel: Annotated[
        Literal["red", "green", "dapi"] | None, typer.Option(help="One channel in grey instead of colour.")
    ] = None,
    masks: Annotated[
        bool, typer.Option("--masks", help="Also save the label image of each metaphase.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write crops as PNG and a CSV that describes them. Run it again to continue."""
    filters = _filters(
        image=image,
        job=job,
        sample=sample,
        origin=origin,
        source_crop=source_crop,
        crop_class=crop_class,
        predicted_class=predicted_class,
        min_probability=min_probability,
        max_probability=max_probability,
        classifier=classifier,
        dataset=dataset,
        annotated=annotated,
        filter_ref=filter_ref,
        filtered_by=filtered_by,
        kept=kept,
        sort=sort,
    )
    if not set(filters) - {"sort"}:
        raise InvalidArgumentError("Say which crops: --image, --job, --sample, --dataset, --class, …")
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


def _cells(crop: Crop, classifier: str | None) -> tuple[Any, ...]:
    """A row; with a classifier chosen, its own newest prediction is told instead of anybody's."""
    predicted, probability = crop.predicted_class, crop.probability
    own = [one for one in crop.predictions if one.classifier == classifier]
    if own:
        predicted, probability = own[-1].predicted_class, own[-1].probabilities.get("aberration")
    box, flags = " ".join(map(str, crop.bbox)), " ".join(crop.flags)
    place = (crop.id, crop.image_id, crop.sample, box, crop.area_px, flags)
    return (*place, crop.crop_class, predicted, probability)


def _filters(*, crop_class: str | None, filter_ref: str | None, **given: Any) -> dict[str, Any]:
    named = {**given, "class": crop_class, "filter": filter_ref}
    return {name: value for name, value in named.items() if value is not None}
