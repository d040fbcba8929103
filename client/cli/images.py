"""``images``: the stored metaphases and their pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import print_facts, print_json, print_table
from client.http import Client

app = typer.Typer(cls=ErrorExits, no_args_is_help=True, help="List, show and download metaphases.")

ImageArgument = Annotated[str, typer.Argument(help="Id of the image.", metavar="IMAGE")]
Part = Literal["original", "preview", "overlay", "masks"]


@app.command("list")
def list_images(
    context: typer.Context,
    *,
    sample: Annotated[str | None, typer.Option("--sample", "-s", help="Only this sample.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only this batch.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List images, oldest first."""
    with connection_of(context).open() as client:
        found = list(client.images(sample=sample, batch=batch))
    if as_json:
        print_json([image.as_json() for image in found])
        return
    print_table(
        ["image", "sample", "slide", "filename", "size", "channels", "bits"],
        [
            (i.id, i.sample, i.slide, i.filename, f"{i.width}x{i.height}", " ".join(i.channels), i.bit_depth)
            for i in found
        ],
    )


@app.command("show")
def show(context: typer.Context, image_id: ImageArgument, *, as_json: JsonOption = False) -> None:
    """Show one image."""
    with connection_of(context).open() as client:
        image = client.image(image_id).as_json()
    if as_json:
        print_json(image)
    else:
        print_facts(image.items())


@app.command("download")
def download(
    context: typer.Context,
    image_id: ImageArgument,
    to: Annotated[Path, typer.Argument(help="File to write.")],
    *,
    part: Annotated[Part, typer.Option(help="Which picture or file.")] = "original",
    job: Annotated[str | None, typer.Option(help="Result of this job instead of the newest.")] = None,
    file: Annotated[int, typer.Option(min=0, help="Which original file, where an image has several.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Save an image's original, preview, overlay or masks (as .tif, .geojson or .zip of ImageJ regions)."""
    with connection_of(context).open() as client:
        written = _downloads(client, job, file)[part](image_id, to)
    if as_json:
        print_json({"file": str(written), "size_bytes": written.stat().st_size})
    else:
        print_facts([("written", written)])


def _downloads(client: Client, job: str | None, file: int) -> dict[str, Callable[[str, Path], Path]]:
    return {
        "original": lambda image_id, to: client.download_image(image_id, to, file=file),
        "preview": client.download_preview,
        "overlay": lambda image_id, to: client.download_overlay(image_id, to, job=job),
        "masks": lambda image_id, to: client.download_masks(image_id, to, job=job),
    }
