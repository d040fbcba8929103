"""``score`` and ``classify``: from metaphases, or crops that exist, to flagged chromosomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from client.channel_rules import channel_rule
from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ExitCode, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.jobs import PriorityOption, print_job
from client.cli.output import print_json, print_table, remark
from client.cli.upload import ChannelOption, send_images
from client.errors import InvalidArgumentError
from client.http import Client
from client.records import Job, PredictedCrop
from client.uploading import UploadReport

ClassifierOption = Annotated[
    str | None, typer.Option(help="Artifact name/version or name/alias; default translocation/production.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least probability of a flagged one; default: the classifier's own."),
]
ExternalOption = Annotated[str | None, typer.Option(help="Your own name for the job.")]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Watch until the job ends, and list what it flagged.")
]


def score(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Image files, ZIPs, or folders; none: what the sample has.")
    ] = None,
    *,
    sample: Annotated[str, typer.Option("--sample", "-s", help="The LIMS accession.")],
    channels: Annotated[
        str | None, typer.Option(help="Channel rule as JSON, instead of the three below.")
    ] = None,
    dapi: ChannelOption = None,
    red: ChannelOption = None,
    green: ChannelOption = None,
    slide: Annotated[str | None, typer.Option(help="The slide's name.")] = None,
    pixel_size_um: Annotated[float | None, typer.Option(min=0.001, help="Edge of a pixel in µm.")] = None,
    segmenter: Annotated[
        str | None, typer.Option(help="Artifact name/version or name/alias; default chromosome/production.")
    ] = None,
    classifier: ClassifierOption = None,
    threshold: ThresholdOption = None,
    external_id: ExternalOption = None,
    priority: PriorityOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Find the chromosomes of metaphases and list those that may be aberrant, most suspicious first.

    With paths, uploads them first (what is stored is not sent twice) and scores those images; without,
    scores the whole sample.
    """
    rule = channel_rule(channels, {"dapi": dapi, "red": red, "green": green})
    told = {"channels": rule, "slide": slide, "pixel_size_um": pixel_size_um}
    if not paths and any(value is not None for value in told.values()):
        raise InvalidArgumentError(
            "Channels, slide and pixel size describe files to upload, and none was named."
        )
    report = UploadReport()
    with connection_of(context).open() as client:
        if paths:
            report = send_images(client, paths, sample, **told)
            _tell_rejected(report)
        if paths and not report.image_ids:
            raise typer.Exit(ExitCode.REFUSED)
        job = client.submit(
            "scoring",
            image_ids=report.image_ids or None,
            sample=None if paths else sample,
            segmenter=segmenter,
            classifier=classifier,
            threshold=threshold,
            external_id=external_id,
            priority=priority,
        )
        job, flagged = _outcome(client, job, wait=wait)
    _print(job, flagged, as_json=as_json)
    worst = exit_code_of_jobs([job])
    raise typer.Exit(ExitCode.PARTIAL if report.count("rejected") and worst is ExitCode.OK else worst)


def classify(
    context: typer.Context,
    crops: Annotated[list[str] | None, typer.Argument(help="Ids of crops.", metavar="CROP...")] = None,
    *,
    job: Annotated[str | None, typer.Option(help="All crops that this job made.")] = None,
    batch: Annotated[str | None, typer.Option(help="All crops of this batch's images.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", "-s", help="All crops of this sample.")] = None,
    dataset: Annotated[str | None, typer.Option(help="All crops of this data set, as name/version.")] = None,
    classifier: ClassifierOption = None,
    threshold: ThresholdOption = None,
    external_id: ExternalOption = None,
    priority: PriorityOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Classify crops that exist, and list those that may be aberrant. Earlier predictions are kept."""
    selection: dict[str, Any] = {
        "crop_ids": crops or None,
        "job_id": job,
        "batch_id": batch,
        "sample": sample,
        "dataset": dataset,
    }
    if sum(value is not None for value in selection.values()) != 1:
        raise InvalidArgumentError("Give exactly one of crop ids, --job, --batch, --sample and --dataset.")
    with connection_of(context).open() as client:
        submitted = client.submit(
            "classification",
            **selection,
            classifier=classifier,
            threshold=threshold,
            external_id=external_id,
            priority=priority,
        )
        ended, flagged = _outcome(client, submitted, wait=wait)
    _print(ended, flagged, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([ended]))


def _outcome(client: Client, job: Job, *, wait: bool) -> tuple[Job, list[PredictedCrop]]:
    """The job and, once it has ended, what it flagged, most suspicious first."""
    remark(f"Submitted {job.id}.")
    if not wait:
        return job, []
    job = follow_jobs(client, [job.id])[0]
    if job.status not in {"succeeded", "partial"}:
        return job, []
    flagged = [row for row in client.predictions(job.id) if row.predicted_class == "aberration"]
    return job, sorted(flagged, key=lambda row: (-row.probability, row.crop_id))


def _print(job: Job, flagged: list[PredictedCrop], *, as_json: bool) -> None:
    if as_json:
        print_json({"job": job.as_json(), "flagged": [row.as_json() for row in flagged]})
        return
    if not job.ended or job.status in {"failed", "cancelled"}:
        print_job(job, as_json=False)
        return
    if flagged:
        print_table(
            ["crop", "image", "number", "probability", "flags", "verdict"],
            [
                (row.crop_id, row.filename, row.label, row.probability, row.flags, row.annotated_class)
                for row in flagged
            ],
        )
    remark(_summary(job, len(flagged)))


def _summary(job: Job, flagged: int) -> str:
    result: dict[str, Any] = job.result or {}
    of = f"of {result['crops']} chromosomes" if "crops" in result else "chromosomes"
    metaphases = f" in {result['images']} images" if "images" in result else ""
    threshold = result.get("threshold")
    limit = f", from a probability of {threshold:.3g} on" if isinstance(threshold, int | float) else ""
    return (
        f"{flagged} {of}{metaphases} flagged by {job.artifacts.get('classifier', 'the classifier')}{limit}."
    )


def _tell_rejected(report: UploadReport) -> None:
    for item in report.items:
        if item.status == "rejected":
            remark(f"{item.filename} was rejected: {item.error.detail if item.error else 'no reason given'}")
