"""``datasets``: labelled chromosomes, frozen and numbered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import byte_progress, print_facts, print_json, print_table, remark
from client.errors import InvalidArgumentError
from client.http import Client
from client.records import Dataset

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="List, show, create and export data sets.")

SPLITS = ("train", "val", "test")
RefArgument = Annotated[
    str, typer.Argument(help="name/version; name alone is its newest version.", metavar="REF")
]


@app.command("list")
def list_datasets(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List every version."""
    with connection_of(context).open() as client:
        found = list(client.datasets())
    if as_json:
        print_json([dataset.as_json() for dataset in found])
        return
    print_table(
        ["data set", "source", "crops", *SPLITS, "created", "sha256"],
        [
            (d.ref, d.source, d.items, *(_counts(d, split) for split in SPLITS), d.created_at, d.sha256[:12])
            for d in found
        ],
    )


@app.command("show")
def show(context: typer.Context, ref: RefArgument, *, as_json: JsonOption = False) -> None:
    """Show what a version holds: counts per split and class, slides, warnings."""
    with connection_of(context).open() as client:
        found = _resolved(client, ref)
    _print(found, as_json=as_json)


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The data set that gets a new version.", metavar="NAME")],
    archive: Annotated[
        Path | None, typer.Argument(help="ZIP of labelled pictures; none: freeze annotated crops.")
    ] = None,
    *,
    sample: Annotated[list[str] | None, typer.Option("--sample", "-s", help="Repeat for more.")] = None,
    batch: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    job: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    crop: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    group_by: Annotated[
        Literal["slide", "sample"] | None, typer.Option(help="What never lies in two splits.")
    ] = None,
    train: Annotated[list[str] | None, typer.Option(help="Slide to train on; repeat.")] = None,
    val: Annotated[list[str] | None, typer.Option(help="Slide to validate on; repeat.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="Slide to test on; repeat.")] = None,
    val_fraction: Annotated[float | None, typer.Option(min=0, max=0.99, help="Instead of slides.")] = None,
    test_fraction: Annotated[float | None, typer.Option(min=0, max=0.99, help="Instead of slides.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the split by fractions.")] = None,
    include_unlabelled: Annotated[
        bool, typer.Option("--include-unlabelled", help="Crops without a verdict become DAPI sources.")
    ] = False,
    group_pattern: Annotated[
        str | None, typer.Option(help="Finds the slide in a ZIP's file names, for example {group}_*.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX expression or a short text.")] = None,
    description: Annotated[str | None, typer.Option(help="Who labelled what, and how.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Import a ZIP of labelled pictures, or freeze annotated crops of samples, batches or jobs."""
    shares = _given(val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    named = _given(train=train, val=val, test=test)
    selection = _given(samples=sample, batch_ids=batch, job_ids=job, crop_ids=crop)
    about: dict[str, Any] = {"licence": licence, "description": description}
    if archive is not None and (selection or named or group_by or include_unlabelled):
        raise InvalidArgumentError("A ZIP says itself what is in it; the selection of crops needs no ZIP.")
    if archive is None and (len(selection) != 1 or group_pattern):
        raise InvalidArgumentError("Name a ZIP, or exactly one of --sample, --batch, --job and --crop.")
    if shares and named:
        raise InvalidArgumentError("Split either by slides (--train, --val, --test) or by fractions.")
    with connection_of(context).open() as client:
        if archive is not None:
            found = _import(client, name, archive, group_pattern=group_pattern, **shares, **about)
        else:
            splits = named or shares or None
            found = client.freeze_dataset(
                name,
                **selection,
                group_by=group_by,
                splits=splits,
                include_unlabelled=include_unlabelled,
                **about,
            )
    _print(found, as_json=as_json)


@app.command("export")
def export(
    context: typer.Context,
    ref: RefArgument,
    to: Annotated[Path, typer.Argument(help="ZIP file to write.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Save a version as a ZIP of pictures with a manifest.csv, which can be imported again."""
    with connection_of(context).open() as client:
        found = _resolved(client, ref)
        written = client.export_dataset(found.name, found.version, to)
    facts = {"dataset": found.ref, "file": str(written), "size_bytes": written.stat().st_size}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())


def _import(client: Client, name: str, archive: Path, **told: Any) -> Dataset:
    with byte_progress() as progress:
        task = progress.add_task(archive.name, total=archive.stat().st_size if archive.is_file() else None)
        return client.import_dataset(
            name, archive, on_progress=lambda sent: progress.update(task, completed=sent), **told
        )


def _resolved(client: Client, ref: str) -> Dataset:
    name, slash, version = ref.partition("/")
    if not name or (slash and not (version.isascii() and version.isdigit())):
        raise InvalidArgumentError(f"{ref!r} is no reference; write name/version, for example adir/1.")
    return client.dataset(name, int(version)) if slash else client.dataset_versions(name)[-1]


def _print(found: Dataset, *, as_json: bool) -> None:
    for warning in found.warnings:
        remark(f"Warning: {warning}")
    if as_json:
        print_json(found.as_json())
        return
    facts: list[tuple[str, Any]] = [("data set", found.ref), ("source", found.source), ("crops", found.items)]
    for split in SPLITS:
        slides = found.groups.get(split, {})
        names = ", ".join(map(str, slides.get("names", ())))
        facts.append((split, f"{_counts(found, split)}; {slides.get('count', 0)} groups: {names or '-'}"))
    facts += [(f"left out: {reason}", count) for reason, count in found.left_out.items()]
    facts += [("licence", found.licence), ("description", found.description)]
    facts += [("sha256", found.sha256), ("created", found.created_at)]
    print_facts(facts)


def _counts(found: Dataset, split: str) -> str:
    """For example ``6371 normal, 233 aberration``; classes without a crop are left out."""
    counts = [f"{count} {name}" for name, count in found.counts.get(split, {}).items() if count]
    return ", ".join(counts) or "empty"


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, [])}
