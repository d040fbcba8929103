"""``artifacts``: the versions of segmenters, classifiers, generators, filters and studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits, exit_code_of_jobs
from client.cli.following import follow_jobs
from client.cli.output import byte_progress, print_facts, print_json, print_table
from client.errors import InvalidArgumentError

app = typer.Typer(
    cls=ErrorExits, no_args_is_help=True, help="List, show, upload, alias and download artifacts."
)

KindArgument = Annotated[
    str, typer.Argument(help="segmenter, classifier, generator, filter or study.", metavar="KIND")
]
RefArgument = Annotated[
    str,
    typer.Argument(help="name/version or name/alias; name alone is its production version.", metavar="REF"),
]


@app.command("list")
def list_artifacts(
    context: typer.Context,
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List versions."""
    with connection_of(context).open() as client:
        found = list(client.artifacts(kind))
        if as_json:
            print_json([version.as_json() for version in found])
            return
        names = {(v.kind, v.name): client.artifact(v.kind, v.name) for v in found}
    print_table(
        ["kind", "name", "version", "aliases", "created", "sha256"],
        [
            (
                v.kind,
                v.name,
                v.version,
                " ".join(names[v.kind, v.name].aliases_of(v.version)),
                v.created_at,
                v.sha256,
            )
            for v in found
        ],
    )


@app.command("show")
def show(
    context: typer.Context, kind: KindArgument, ref: RefArgument, *, as_json: JsonOption = False
) -> None:
    """Show a version's manifest: parameters, metrics, data, licence, hashes."""
    name, version = _split(ref)
    with connection_of(context).open() as client:
        found = client.artifact_version(kind, name, version).as_json()
    if as_json:
        print_json(found)
    else:
        print_facts(
            (key, json.dumps(v, indent=1) if isinstance(v, dict | list) else v) for key, v in found.items()
        )


@app.command("upload")
def upload(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="The artifact that gets a new version.", metavar="NAME")],
    file: Annotated[
        Path,
        typer.Argument(
            help="Safetensors, an official checkpoint, or a classifier's or filter's downloaded ZIP."
        ),
    ],
    *,
    diameter_px: Annotated[
        float | None, typer.Option(min=2, help="Of a segmenter: mean object diameter in training.")
    ] = None,
    method: Annotated[
        Literal["bbdm", "cyclegan"] | None, typer.Option(help="Of a generator; default: told from the file.")
    ] = None,
    canvas_px: Annotated[
        int | None, typer.Option(min=32, max=256, help="Of a generator: side of its training pictures.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Of a generator: its pictures' pixels per image pixel.")
    ] = None,
    background: Annotated[
        Literal["zero", "keep"] | None, typer.Option(help="Of a generator: what was off the mask.")
    ] = None,
    prediction_type: Annotated[
        Literal["grad", "noise", "ysubx"] | None, typer.Option(help="Of a Brownian Bridge; default grad.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX expression or a short text.")] = None,
    description: Annotated[str | None, typer.Option(help="Where the weights come from.")] = None,
    alias: Annotated[str | None, typer.Option(help="Point this alias at the new version.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload weights and wait until the service has made the next version of them."""
    with connection_of(context).open() as client:
        with byte_progress() as progress:
            task = progress.add_task(file.name, total=file.stat().st_size if file.is_file() else None)
            job = client.upload_artifact(
                kind,
                name,
                file,
                diameter_px=diameter_px,
                method=method,
                canvas_px=canvas_px,
                scale=scale,
                background=background,
                prediction_type=prediction_type,
                licence=licence,
                description=description,
                on_progress=lambda sent: progress.update(task, completed=sent),
            )
        job = follow_jobs(client, [job.id])[0]
        version = str((job.result or {}).get("artifact", "")).rpartition("/")[2]
        if alias is not None and job.status == "succeeded":
            client.set_alias(kind, name, alias, int(version))
    if as_json:
        print_json(job.as_json())
    else:
        print_facts(
            [("job", job.id), ("status", job.status), ("artifact", (job.result or {}).get("artifact"))]
        )
    raise typer.Exit(exit_code_of_jobs([job]))


@app.command("alias")
def set_alias(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="The artifact.", metavar="NAME")],
    alias: Annotated[str, typer.Argument(help="The alias, for example production.", metavar="ALIAS")],
    version: Annotated[int, typer.Argument(min=1, help="The version that it shall mean.", metavar="VERSION")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Point an alias at a version. Jobs that were submitted before keep theirs."""
    with connection_of(context).open() as client:
        client.set_alias(kind, name, alias, version)
    facts = {"kind": kind, "name": name, "alias": alias, "version": version}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())


@app.command("download")
def download(
    context: typer.Context,
    kind: KindArgument,
    ref: RefArgument,
    to: Annotated[Path, typer.Argument(help="ZIP file to write.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Save a version's manifest and files as a ZIP."""
    name, version = _split(ref)
    with connection_of(context).open() as client:
        written = client.download_artifact(kind, name, version, to)
    facts: dict[str, Any] = {"file": str(written), "size_bytes": written.stat().st_size}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts.items())


def _split(ref: str) -> tuple[str, str]:
    name, slash, version = ref.partition("/")
    if not name or (slash and not version) or "/" in version:
        raise InvalidArgumentError(f"{ref!r} is no reference; write name/version or name/alias.")
    return name, version or "production"
