"""``upload``: metaphases into the service, as many as there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.channel_rules import channel_rule
from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ExitCode, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.output import byte_progress, print_json, print_table, remark
from client.errors import InvalidArgumentError
from client.http import Client
from client.records import Job
from client.uploading import UploadProgress, UploadReport

ChannelOption = Annotated[
    str | None, typer.Option(help="File-name pattern with one star, or plane number from 0.", metavar="RULE")
]


def upload(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Image files, ZIPs, or folders of them.")],
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
    metadata: Annotated[str | None, typer.Option(help="Anything else, as a JSON object.")] = None,
    process: Annotated[
        Literal["none", "segmentation", "scoring"], typer.Option(help="What to do with the images at once.")
    ] = "none",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the jobs that --process starts.")] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send files although the service has them.")
    ] = False,
    direct: Annotated[
        bool | None,
        typer.Option(
            "--direct/--no-direct",
            help="Send files to the object store ahead of the request: all, or none. Default: large ones.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload metaphases. Run it again to continue: what is stored is not sent twice.

    Ends with 3 if some files were rejected, 5 if all were.
    """
    rule = channel_rule(channels, {"dapi": dapi, "red": red, "green": green})
    about = _object(metadata)
    with connection_of(context).open() as client:
        report = send_images(
            client,
            paths,
            sample,
            channels=rule,
            slide=slide,
            pixel_size_um=pixel_size_um,
            metadata=about,
            process=process,
            skip_stored=not resend,
            direct=direct,
        )
        jobs = _jobs(client, report, wait=wait)
    if as_json:
        print_json(_as_json(report, jobs))
    else:
        _print(report, jobs)
    raise typer.Exit(_exit_code(report, jobs))


def send_images(client: Client, paths: Iterable[Path], sample: str, **told: Any) -> UploadReport:
    """Upload with a progress bar; `told` is what `Client.upload` takes."""
    with byte_progress() as progress:
        task = progress.add_task("uploading", total=None)

        def show(state: UploadProgress) -> None:
            progress.update(
                task, completed=state.done_bytes, total=state.total_bytes, description=state.message[:40]
            )

        return client.upload(paths, sample, on_progress=show, **told)


def _jobs(client: Client, report: UploadReport, *, wait: bool) -> list[Job]:
    if wait:
        return follow_jobs(client, report.job_ids)
    return [client.job(job_id) for job_id in report.job_ids]


def _print(report: UploadReport, jobs: list[Job]) -> None:
    print_table(
        ["filename", "status", "image", "reason"],
        [
            (item.filename, item.status, item.image_id, item.error.detail if item.error else None)
            for item in report.items
        ],
    )
    counts = ", ".join(f"{report.count(status)} {status}" for status in ("stored", "duplicate", "rejected"))
    remark(f"{counts}; {report.skipped_files} files were there already and not sent.")
    if report.unmatched_files:
        remark(f"{report.unmatched_files} files of the folders fit no channel pattern and stayed here.")
    for job in jobs:
        remark(f"Job {job.id} is {job.status}.")


def _as_json(report: UploadReport, jobs: list[Job]) -> dict[str, Any]:
    return {
        "batches": [batch.id for batch in report.batches],
        "items": [item.as_json() for item in report.items],
        "skipped_files": report.skipped_files,
        "unmatched_files": report.unmatched_files,
        "image_ids": report.image_ids,
        "jobs": [job.as_json() for job in jobs],
    }


def _exit_code(report: UploadReport, jobs: list[Job]) -> ExitCode:
    rejected = report.count("rejected")
    if rejected and rejected == len(report.items):
        return ExitCode.REFUSED
    worst = exit_code_of_jobs(jobs)
    return ExitCode.PARTIAL if rejected and worst is ExitCode.OK else worst


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"--metadata is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise InvalidArgumentError("--metadata must be a JSON object.")
    return value
