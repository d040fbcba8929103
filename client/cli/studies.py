"""``study``: whether synthetic aberrations help, planned, run and read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.jobs import print_job, read_parameters
from client.cli.output import print_facts, print_json, remark
from client.cli.study_tables import print_plan, print_studies, sentence_of
from client.cli.training import DatasetOption, DescriptionOption, LicenceOption, ParamOption, SeedOption
from client.errors import InvalidArgumentError
from client.http import Client
from client.members import members
from client.records import Job, StudyPlan

app = typer.Typer(
    cls=ErrorExits,
    no_args_is_help=True,
    help="Compare ways of training, with and without synthetic aberrations.",
)

NameArgument = Annotated[
    str | None,
    typer.Argument(help="The study that gets a new version; default: the data set's name.", metavar="NAME"),
]
SizeOption = Annotated[
    Literal["quick", "cpu", "full"] | None,
    typer.Option(help="quick: minutes, proves nothing. cpu: hours. full (default): the paper's, for a GPU."),
]
ArmOption = Annotated[
    list[str] | None, typer.Option("--arm", help="A way of training; repeat for more. Default: the size's.")
]
SeedsOption = Annotated[int | None, typer.Option(min=1, help="Networks per arm; default: the size's.")]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=SLIDE,SLIDE: also train without these slides and judge on them; repeat for more sets."
    ),
]
AberrationsOption = Annotated[
    list[int] | None,
    typer.Option(min=2, help="Also train with only so many aberrations; repeat for a learning curve."),
]
GeneratorOption = Annotated[
    list[str] | None,
    typer.Option(
        help="METHOD=REF or CONDITION:METHOD=REF: a trained generator instead of a new one; repeat for more."
    ),
]
StepsOption = Annotated[int | None, typer.Option(min=2, help="Optimiser steps of every classifier.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the report and its tables; default: ./NAME-VERSION.")
]


@app.command("plan")
def plan(
    context: typer.Context,
    name: NameArgument = None,
    *,
    dataset: DatasetOption,
    size: SizeOption = None,
    arm: ArmOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    leave_out: LeaveOutOption = None,
    aberrations: AberrationsOption = None,
    generator: GeneratorOption = None,
    steps: StepsOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a study would do, what of it is done already, and how long it takes. Starts nothing."""
    body = _body(
        name=name,
        dataset=dataset,
        size=size,
        arms=arm or None,
        num_seeds=seeds,
        seed=seed,
        leave_out=_sets(leave_out or ()),
        aberration_counts=aberrations or None,
        generators=_generators(generator or ()),
        steps=steps,
        given=param or (),
    )
    with connection_of(context).open() as client:
        found = client.plan_study(**body)
    if as_json:
        print_json(found.as_json())
    else:
        print_plan(found)


@app.command("run")
def run(
    context: typer.Context,
    name: NameArgument = None,
    *,
    dataset: DatasetOption,
    size: SizeOption = None,
    arm: ArmOption = None,
    seeds: SeedsOption = None,
    seed: SeedOption = None,
    leave_out: LeaveOutOption = None,
    aberrations: AberrationsOption = None,
    generator: GeneratorOption = None,
    steps: StepsOption = None,
    param: ParamOption = None,
    licence: LicenceOption = None,
    description: DescriptionOption = None,
    out: OutOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it starts.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until the study ends.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Plan a study, start it, follow it and save its report. What any study computed is not done again."""
    if out is not None and not wait:
        raise InvalidArgumentError(
            "--out needs the end of the study; leave --no-wait out, or `study report`."
        )
    body = _body(
        name=name,
        dataset=dataset,
        size=size,
        arms=arm or None,
        num_seeds=seeds,
        seed=seed,
        leave_out=_sets(leave_out or ()),
        aberration_counts=aberrations or None,
        generators=_generators(generator or ()),
        steps=steps,
        given=param or (),
    ) | {"licence": licence, "description": description}
    files: list[Path] = []
    with connection_of(context).open() as client:
        job = _started(client, body, ask=not yes, quiet=as_json)
        if wait:
            job = follow_jobs(client, [job.id])[0]
            files = _saved(client, job, out)
    _print_end(job, files, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([job]))


@app.command("report")
def report(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="name/version or name/alias.", metavar="STUDY")],
    *,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save the report of a study that has ended, as a page, for print, and its tables."""
    with connection_of(context).open() as client:
        files = client.download_study(study, out or _folder(study))
    if as_json:
        print_json({"study": study, "files": [str(file) for file in files]})
    else:
        print_facts([("study", study), ("saved", "\n".join(str(file) for file in files))])


@app.command("list")
def list_studies(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List studies that have ended, each with its result in one line."""
    with connection_of(context).open() as client:
        found = list(client.studies())
    if as_json:
        print_json([study.as_json() for study in found])
    else:
        print_studies(found)


def _started(client: Client, body: dict[str, Any], *, ask: bool, quiet: bool) -> Job:
    """The study's job: one that is at work on it already, or a new one after its plan was shown."""
    planned = client.plan_study(**body)
    if planned.unfinished_job is not None:
        remark(f"{planned.unfinished_job} is at work on this very study; following it.")
        return client.job(planned.unfinished_job)
    if quiet:
        _remark_plan(planned)
    else:
        print_plan(planned)
    # A script has nobody to answer; whoever sits at a terminal has seen now what it costs.
    if ask and sys.stdin.isatty():
        typer.confirm("Start it?", abort=True, err=True)
    job = client.submit("study", **body)
    remark(f"Submitted {job.id}.")
    return job


def _remark_plan(planned: StudyPlan) -> None:
    for text in planned.warnings:
        remark(text)
    remark(f"{planned.computed} steps to compute, {planned.from_cache} done before.")


def _saved(client: Client, job: Job, out: Path | None) -> list[Path]:
    made = members(job.result).get("artifact")
    return client.download_study(str(made), out or _folder(str(made))) if made else []


def _print_end(job: Job, files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        print_json({"job": job.as_json(), "files": [str(file) for file in files]})
        return
    made = members(job.result).get("artifact")
    if not made:
        print_job(job, as_json=False)
        return
    print_facts(
        [
            ("job", f"{job.id}, {job.status}"),
            ("study", made),
            ("result", sentence_of(members(members(job.result).get("headline")))),
            ("seconds", job.run_s),
            ("saved", "\n".join(str(file) for file in files)),
        ]
    )


def _body(*, given: Sequence[str], **named: Any) -> dict[str, Any]:
    """What is sent; a study without a name is called like its data set."""
    name = named["name"] or str(named["dataset"]).partition("/")[0]
    return {**named, "name": name, **read_parameters(list(given))}


def _sets(given: Sequence[str]) -> dict[str, list[str]] | None:
    """Read ``NAME=SLIDE,SLIDE``."""
    found = {}
    for text in given:
        name, equals, slides = text.partition("=")
        if not (name and equals and all(slides.split(","))):
            raise InvalidArgumentError(f"--leave-out {text!r} must look like NAME=SLIDE,SLIDE.")
        found[name] = slides.split(",")
    return found or None


def _generators(given: Sequence[str]) -> dict[str, dict[str, str]] | None:
    """Read ``METHOD=REF``, of the whole data set, and ``CONDITION:METHOD=REF``."""
    found: dict[str, dict[str, str]] = {}
    for text in given:
        where, equals, ref = text.partition("=")
        condition, _, method = where.rpartition(":")
        if not (method and equals and ref):
            raise InvalidArgumentError(
                f"--generator {text!r} must look like METHOD=REF or CONDITION:METHOD=REF."
            )
        found.setdefault(condition or "all", {})[method] = ref
    return found or None


def _folder(study: str) -> Path:
    """Where a report goes if nobody says; refuses what would lead elsewhere."""
    name, slash, version = study.partition("/")
    if not slash or "/" in version or name.startswith("."):
        raise InvalidArgumentError(f"{study!r} is no study; write name/version or name/alias.")
    return Path(f"{name}-{version}")
