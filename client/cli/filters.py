"""``filter``: which crops look like real aberrations, at which level, and what a filter sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.filter_tables import facts_of_counts, print_counts, print_difference
from client.cli.following import follow_jobs
from client.cli.jobs import JobArgument, print_job, read_parameters
from client.cli.output import print_facts, print_json, print_table, remark
from client.cli.training import (
    AliasOption,
    DatasetOption,
    DescriptionOption,
    LicenceOption,
    ParamOption,
    SeedOption,
    make_version,
)
from client.embeddings import read_embeddings
from client.errors import InvalidArgumentError
from client.http import Client
from client.members import members
from client.records import Filtering, Job

app = typer.Typer(
    cls=ErrorExits, no_args_is_help=True, help="Fit filters, apply them, move their level, look at them."
)

FilterArgument = Annotated[
    str, typer.Argument(help="Artifact name/version or name/alias; a name alone is its production version.")
]
LevelOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the aberrations let in; default: its own."),
]
GateOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Reject what lies farther from the training data than this percentile; 100: no limit.",
    ),
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Watch until the job ends.")]


@app.command("fit")
def fit(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The filter that gets a new version.", metavar="NAME")],
    *,
    dataset: DatasetOption,
    classifier: Annotated[
        str | None, typer.Option(help="Whose embeddings to fit on; default translocation/production.")
    ] = None,
    method: Annotated[
        Literal["umap", "mahalanobis", "knn", "probability", "none"] | None,
        typer.Option(help="umap (default): an ellipse on the map. The others judge without it."),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(help="A number, weight or validation; default: the method's own."),
    ] = None,
    max_percentile: GateOption = None,
    components: Annotated[
        str | None, typer.Option(help="Of the mixture: a number, or bic to choose it; default 2.")
    ] = None,
    normal_ratio: Annotated[
        float | None, typer.Option(help="Fit on at most so many normals per aberration; default: all.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="Slide to keep out of the fit; repeat for more.")
    ] = None,
    seed: SeedOption = None,
    param: ParamOption = None,
    licence: LicenceOption = None,
    description: DescriptionOption = None,
    alias: AliasOption = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Fit a filter on the embeddings that a classifier gives a data set."""
    body: dict[str, Any] = {
        "name": name,
        "dataset": dataset,
        "classifier": classifier,
        "method": method,
        "level": _number_or_word(level),
        "max_percentile": max_percentile,
        "num_components": _number_or_word(components),
        "normal_ratio": normal_ratio,
        "leave_out_groups": leave_out or None,
        "seed": seed,
        "licence": licence,
        "description": description,
        **read_parameters(param or []),
    }
    job = make_version(context, "filter", "filter_fitting", body, alias, wait=wait)
    print_job(job, as_json=as_json)
    made = members(job.result).get("artifact")
    if made and not as_json:
        remark(
            f"Look at it: `filter map map.html --filter {made}`. "
            f"Use it: `filter apply --filter {made} --job JOB`."
        )
    raise typer.Exit(exit_code_of_jobs([job]))


@app.command("apply")
def apply(
    context: typer.Context,
    crops: Annotated[list[str] | None, typer.Argument(help="Ids of crops.", metavar="CROP...")] = None,
    *,
    job: Annotated[str | None, typer.Option(help="Crops that this job made, usually a generation.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Crops of this data set, as name/version.")] = None,
    filter_ref: Annotated[
        str | None,
        typer.Option(
            "--filter", help="Artifact name/version or name/alias; default translocation/production."
        ),
    ] = None,
    level: LevelOption = None,
    max_percentile: GateOption = None,
    external_id: Annotated[str | None, typer.Option(help="Your own name for the job.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for map.html, map.png and filter_scores.csv.")
    ] = None,
    wait: WaitOption = True,
    as_json: JsonOption = False,
) -> None:
    """Filter crops: those named, those that a job made, or those of a data set."""
    selection = {"crop_ids": crops or None, "job_id": job, "dataset": dataset}
    if sum(value is not None for value in selection.values()) != 1:
        raise InvalidArgumentError("Give exactly one of crop ids, --job and --dataset.")
    if out is not None and not wait:
        raise InvalidArgumentError(
            "--out needs the end of the job; leave --no-wait out, or use `filter map`."
        )
    body: dict[str, Any] = {
        **selection,
        "filter": filter_ref,
        "level": level,
        "max_percentile": max_percentile,
        "external_id": external_id,
    }
    counted, files = None, []
    with connection_of(context).open() as client:
        made = client.submit("filtering", **body)
        remark(f"Submitted {made.id}.")
        if wait:
            made = follow_jobs(client, [made.id])[0]
            if "level" in members(made.result):
                counted = client.filtering(made.id)
                files = _save(client, made, out) if out is not None else []
    _print_applied(made, counted, files, as_json=as_json)
    raise typer.Exit(exit_code_of_jobs([made]))


@app.command("level")
def move_level(
    context: typer.Context,
    job_id: JobArgument,
    level: Annotated[
        float | None, typer.Argument(min=0, max=1, help="The new level; none: tell how it stands.")
    ] = None,
    *,
    max_percentile: GateOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be kept.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide anew which crops of a filtering job are kept. Nothing is computed again."""
    with connection_of(context).open() as client:
        if dry_run or (level is None and max_percentile is None):
            counted = client.filtering(job_id, level=level, max_percentile=max_percentile)
        else:
            chosen = client.filtering(job_id).level if level is None else level
            counted = client.redecide(job_id, chosen, max_percentile=max_percentile)
    if as_json:
        print_json(counted.as_json())
        return
    print_facts(facts_of_counts(counted))
    print_counts(counted)


@app.command("score")
def score(
    context: typer.Context,
    filter_ref: FilterArgument,
    file: Annotated[Path, typer.Argument(help="Embeddings, a row each: an .npy file.")],
    *,
    level: LevelOption = None,
    max_percentile: GateOption = None,
    classifier: Annotated[
        str | None, typer.Option(help="Whose embeddings they are; those of another one are refused.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score embeddings of your own; no job is made and nothing is kept."""
    rows = read_embeddings(file)
    with connection_of(context).open() as client:
        answers = client.score_embeddings(
            filter_ref, rows, level=level, max_percentile=max_percentile, classifier=classifier
        )
        found = list(answers)
    items = [item for answer in found for item in answer.items]
    if as_json:
        head = found[0].as_json() if found else {}
        print_json({**head, "items": [item.as_json() for item in items]})
        return
    print_table(
        ["row", "kept", "needed level", "distance percentile", "x", "y"],
        [
            (index, "yes" if one.kept else "no", f"{one.needed_level:.4f}", one.knn_percentile, one.x, one.y)
            for index, one in enumerate(items)
        ],
    )


@app.command("map")
def save_map(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(help="File to write: .html with a slider, or .png.")],
    *,
    filter_ref: Annotated[
        str | None, typer.Option("--filter", help="Of this filter, as name/version or name/alias.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="Of this filtering job, with its crops.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Save the map of a filter, or of a job that used one."""
    with connection_of(context).open() as client:
        if filter_ref is not None and job is None:
            written = client.download_filter_map(filter_ref, to)
        elif job is not None and filter_ref is None:
            written = client.download_job_map(job, to)
        else:
            raise InvalidArgumentError("Give exactly one of --filter and --job.")
    facts = {"file": str(written), "size_bytes": written.stat().st_size}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())


@app.command("diff")
def diff(
    context: typer.Context,
    filter_ref: FilterArgument,
    other: Annotated[str, typer.Argument(help="Version or alias of the same name to compare with.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what changed from one version of a filter to another, and which verdicts flip."""
    with connection_of(context).open() as client:
        found = client.filter_difference(filter_ref, other)
    if as_json:
        print_json(found.as_json())
        return
    print_difference(found)


def _print_applied(job: Job, counted: Filtering | None, files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        told = None if counted is None else counted.as_json()
        print_json({"job": job.as_json(), "filtering": told, "files": [str(file) for file in files]})
        return
    if counted is None:
        print_job(job, as_json=False)
        return
    warning = members(members(job.result).get("drift")).get("warning")
    facts = [("job", f"{job.id}, {job.status}"), *facts_of_counts(counted), ("seconds", job.run_s)]
    facts += [("warning", warning)] if warning else []
    facts += [("saved", "\n".join(str(file) for file in files))] if files else []
    print_facts(facts)
    print_counts(counted)


def _save(client: Client, job: Job, folder: Path) -> list[Path]:
    """Save a job's table, and its map if it has one."""
    files = [client.download_filter_scores(job.id, folder / "filter_scores.csv")]
    if "map" in members(members(job.result).get("links")):
        files += [client.download_job_map(job.id, folder / name) for name in ("map.html", "map.png")]
    return files


def _number_or_word(text: str | None) -> Any:
    """``0.7``, ``3`` or a word such as ``bic``; the service knows which words there are."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text
