"""``generate`` and ``quality``: synthetic aberrations from real chromosomes, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.jobs import JobArgument, print_job, read_parameters
from client.cli.output import print_facts, print_json, remark
from client.errors import InvalidArgumentError
from client.generated import save_generated
from client.members import members
from client.quality import facts_of_quality, quality_state
from client.records import Job, Quality

SplitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--split", help="train, val or test of the data set; repeat for more. Default: train alone."
    ),
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--class", help="normal, aberration or unlabelled sources; repeat for more. Default: no aberrations."
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for samples.png and the quality report with pictures.")
]


def generate(
    context: typer.Context,
    crops: Annotated[list[str] | None, typer.Argument(help="Ids of source crops.", metavar="CROP...")] = None,
    *,
    job: Annotated[
        str | None, typer.Option(help="From crops that this segmentation or scoring found.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="From crops of this data set, as name/version.")] = None,
    split: SplitOption = None,
    source_class: ClassOption = None,
    max_sources: Annotated[
        int | None, typer.Option(min=1, help="Take so many sources at most; the seed chooses.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Different synthetic crops per source; default 1.")
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="Artifact name/version or name/alias; default painted/production.")
    ] = None,
    sampler: Annotated[
        Literal["bbdm", "dbim"] | None, typer.Option(help="Of a bbdm generator; dbim takes far fewer steps.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=3, max=1000, help="Of a bbdm generator: network calls per crop.")
    ] = None,
    eta: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of the bbdm sampler: noise, 0 none, 1 all.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of noise and choice; default 0.")] = None,
    report: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Compare with real aberrations at the end.")
    ] = True,
    reference: Annotated[
        str | None, typer.Option(help="Data set to compare with; default: the generator's own.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="Whose embeddings to compare; default translocation/production.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Any other parameter, as name=JSON; repeatable.")
    ] = None,
    external_id: Annotated[str | None, typer.Option(help="Your own name for the job.")] = None,
    out: OutOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until the job ends.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make synthetic aberrations from real crops: those named, those of a job, or those of a data set.

    They carry `origin: generated` for ever, belong to no sample and are no findings.
    """
    selection = {"crop_ids": crops or None, "job_id": job, "dataset": dataset}
    if sum(value is not None for value in selection.values()) != 1:
        raise InvalidArgumentError("Give exactly one of crop ids, --job and --dataset.")
    if out is not None and not wait:
        raise InvalidArgumentError(
            "--out needs the end of the job; leave --no-wait out, or use `quality` later."
        )
    body: dict[str, Any] = {
        **selection,
        "splits": split or None,
        "classes": source_class or None,
        "max_sources": max_sources,
        "samples_per_source": samples,
        "generator": generator,
        "sampler": sampler,
        "steps": steps,
        "eta": eta,
        "seed": seed,
        "quality": None if report else False,
        "reference": reference,
        "classifier": classifier,
        "external_id": external_id,
        **read_parameters(param or []),
    }
    found, files = None, []
    with connection_of(context).open() as client:
        made = client.submit("generation", **body)
        remark(f"Submitted {made.id}.")
        if wait:
            made = follow_jobs(client, [made.id])[0]
            found = client.quality(made.id) if quality_state(made)[0] == "made" else None
            if out is not None and members(made.result).get("crops"):
                files = save_generated(client, made.id, out, found)
        address = client.transport.base_url.rstrip("/")
    _print(made, found, files, address, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([made]))


def quality(
    context: typer.Context, job_id: JobArgument, *, out: OutOption = None, as_json: JsonOption = False
) -> None:
    """Tell how a generation job's crops compare with real aberrations."""
    with connection_of(context).open() as client:
        found = client.quality(job_id)
        files = [] if out is None else save_generated(client, job_id, out, found)
    if as_json:
        print_json({"quality": found.as_json(), "files": [str(file) for file in files]})
        return
    print_facts([*facts_of_quality(found), *_saved(files)])


def _print(job: Job, quality: Quality | None, files: Sequence[Path], address: str, *, as_json: bool) -> None:
    if as_json:
        report = None if quality is None else quality.as_json()
        print_json({"job": job.as_json(), "quality": report, "files": [str(file) for file in files]})
        return
    result = members(job.result)
    if "crops" not in result:
        print_job(job, as_json=False)
        return
    left_out = ", ".join(
        f"{count} {name.replace('_', ' ')}"
        for name, count in members(members(job.inputs).get("left_out")).items()
    )
    facts = [
        ("job", f"{job.id}, {job.status}"),
        ("synthetic crops", f"{result['crops']} from {result.get('sources', '?')} sources"),
        ("left out", left_out),
        ("generator", job.artifacts.get("generator")),
        ("sampling", _sampling(members(members(job.inputs).get("sampling")))),
        ("seconds", job.run_s),
        ("samples", _link(address, result, "samples")),
    ]
    known = [(name, value) for name, value in facts if value not in (None, "")]
    print_facts([*known, *_report(job, quality), *_saved(files)])


def _report(job: Job, quality: Quality | None) -> list[tuple[str, Any]]:
    if quality is not None:
        return [*facts_of_quality(quality)]
    status, reason = quality_state(job)
    return [("quality", f"no report ({status}): {reason}" if status == "failed" else f"no report: {reason}")]


def _sampling(told: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in members(told).items())


def _link(address: str, result: Any, name: str) -> str | None:
    path = members(members(result).get("links")).get(name)
    return None if path is None else f"{address}{path}"


def _saved(files: Sequence[Path]) -> list[tuple[str, Any]]:
    return [("saved", "\n".join(str(file) for file in files))] if files else []
