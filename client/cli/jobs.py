"""``run``, ``watch`` and ``jobs``: starting work and seeing what became of it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.output import print_facts, print_json, print_json_line, print_table, remark
from client.errors import InvalidArgumentError
from client.http import Client
from client.records import Job

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="List, show, cancel and retry jobs.")

JobArgument = Annotated[str, typer.Argument(help="Id of the job.", metavar="JOB")]
PriorityOption = Annotated[
    Literal["urgent", "normal", "background"] | None,
    typer.Option(help="urgent: before everything that waits; background: only while nothing else waits."),
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Watch until the job ends.")]


def run(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Kind of job.")] = "segmentation",
    *,
    image: Annotated[list[str] | None, typer.Option("--image", help="Image id; repeat for more.")] = None,
    batch: Annotated[str | None, typer.Option(help="All images of a batch.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", "-s", help="All images of a sample.")] = None,
    segmenter: Annotated[
        str | None, typer.Option(help="Artifact name/version or name/alias; default chromosome/production.")
    ] = None,
    diameter_px: Annotated[float | None, typer.Option(min=2, help="Chromosome diameter in pixels.")] = None,
    min_area_px: Annotated[int | None, typer.Option(min=1, help="Smaller instances are debris.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Any other parameter, as name=JSON; repeatable.")
    ] = None,
    external_id: Annotated[str | None, typer.Option(help="Your own name for the job.")] = None,
    priority: PriorityOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job, by default a segmentation of images, a batch or a sample."""
    body: dict[str, Any] = {
        "image_ids": image or None,
        "batch_id": batch,
        "sample": sample,
        "segmenter": segmenter,
        "diameter_px": diameter_px,
        "min_area_px": min_area_px,
        "external_id": external_id,
        "priority": priority,
        **read_parameters(param or []),
    }
    with connection_of(context).open() as client:
        job = client.submit(kind, **body)
        if wait:
            remark(f"Submitted {job.id}.")
            job = follow_jobs(client, [job.id])[0]
    print_job(job, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([job]))


def watch(
    context: typer.Context,
    job_id: JobArgument,
    *,
    give_up_s: Annotated[
        float | None, typer.Option(min=1, help="Stop watching after so many seconds.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Watch a job until it ends; with --json, one line per change. Ctrl-C leaves the job running."""
    with connection_of(context).open() as client:
        on_state = (lambda job: print_json_line(job.as_json())) if as_json else (lambda _: None)
        job = follow_jobs(client, [job_id], timeout_s=give_up_s, on_state=on_state)[0]
    if not as_json:
        print_job(job, as_json=False)
    raise typer.Exit(exit_code_of_jobs([job]))


@app.command("list")
def list_jobs(
    context: typer.Context,
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", "-s", help="Only this sample.")] = None,
    external_id: Annotated[str | None, typer.Option(help="Only this name of your own.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, oldest first."""
    with connection_of(context).open() as client:
        found = list(client.jobs(kind=kind, status=status, sample=sample, external_id=external_id))
    if as_json:
        print_json([job.as_json() for job in found])
        return
    print_table(
        ["job", "kind", "status", "done", "created", "external id"],
        [
            (j.id, j.kind, j.status, f"{j.progress.done}/{j.progress.total}", j.created_at, j.external_id)
            for j in found
        ],
    )


@app.command("show")
def show(context: typer.Context, job_id: JobArgument, *, as_json: JsonOption = False) -> None:
    """Show one job."""
    with connection_of(context).open() as client:
        print_job(client.job(job_id), as_json=as_json)


@app.command("items")
def items(context: typer.Context, job_id: JobArgument, *, as_json: JsonOption = False) -> None:
    """List a job's inputs and what became of each."""
    with connection_of(context).open() as client:
        found = list(client.job_items(job_id))
    if as_json:
        print_json([item.as_json() for item in found])
        return
    print_table(
        ["input", "status", "outputs", "error"],
        [
            (
                item.input_id,
                item.status,
                json.dumps(item.outputs) if item.outputs else None,
                item.error.get("detail") if item.error else None,
            )
            for item in found
        ],
    )


@app.command("cancel")
def cancel(context: typer.Context, job_id: JobArgument, *, as_json: JsonOption = False) -> None:
    """Ask a job to stop; what it already made stays."""
    with connection_of(context).open() as client:
        print_job(client.cancel(job_id), as_json=as_json)


@app.command("retry")
def retry(
    context: typer.Context, job_id: JobArgument, *, wait: WaitOption = False, as_json: JsonOption = False
) -> None:
    """Run the failed items of a job again."""
    with connection_of(context).open() as client:
        job = client.retry(job_id)
        job = _waited(client, job) if wait else job
    print_job(job, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([job]))


def _waited(client: Client, job: Job) -> Job:
    return follow_jobs(client, [job.id])[0]


def print_job(job: Job, *, as_json: bool) -> None:
    """Print what a person wants to know of a job, or all of it as JSON."""
    if as_json:
        print_json(job.as_json())
        return
    place = None if job.queue_position is None else f" (place {job.queue_position} in the queue)"
    facts: list[tuple[str, Any]] = [
        ("job", job.id),
        ("kind", job.kind),
        ("status", f"{job.status}{place or ''}"),
        ("progress", f"{job.progress.done} of {job.progress.total} {job.progress.unit}"),
        ("attempt", job.attempt),
        *((role, ref) for role, ref in job.artifacts.items()),
    ]
    if job.run_s is not None:
        facts.append(("seconds", job.run_s))
    if job.error:
        facts.append(("error", f"{job.error.get('code', '')}: {job.error.get('detail', '')}"))
    # Links are for programs, and the roles of artifacts are listed above.
    known = {"links", "metrics", *job.artifacts}
    facts += [(name, _short(value)) for name, value in (job.result or {}).items() if name not in known]
    print_facts(facts)


def _short(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def read_parameters(given: list[str]) -> dict[str, Any]:
    """Read ``name=JSON``; what is no JSON is text."""
    parameters: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidArgumentError(f"--param {text!r} must look like name=value.")
        try:
            parameters[name] = json.loads(value)
        except ValueError:
            parameters[name] = value
    return parameters
