"""The page: one HTML file that shows what was found, opens without a network and can be mailed."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from client.demo.pictures import Embedded, Region, region_of, scene, upright
from client.demo.session import DemoResult, ImageResult
from client.downloads import write_whole
from client.records import Crop

TEMPLATE = "report.html.j2"
FLAG_LETTERS = {"touching": "T", "overlapping": "O", "border": "B", "saturated": "S"}
FLAG_MEANINGS = {
    "touching": "its outline meets another chromosome's; the cut between them may be off",
    "overlapping": "it lies across another chromosome",
    "border": "the edge of the image cuts it",
    "saturated": "part of it is as bright as the camera can record",
}


@dataclass(frozen=True, slots=True)
class CropCard:
    """A chromosome in the gallery and its box on the overlay, in percent of the image."""

    crop: Crop
    number: int
    picture: Embedded
    letters: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ImageCard:
    """A metaphase's section."""

    result: ImageResult
    preview: Embedded
    overlay: Embedded
    preview_file: str
    overlay_file: str
    crops: tuple[CropCard, ...]
    shifts: tuple[str, ...]
    removed: tuple[str, ...]


def write_report(result: DemoResult, notice: str, started: datetime) -> Path:
    """Write ``index.html`` into the result's folder and return its path.

    Parameters
    ----------
    notice
        The licence of the sample images, which must go with every copy of them.
    started
        When the demonstration began, with its time zone.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE).render(
        images=[_image_card(image, result.folder) for image in result.images],
        totals=_totals(result),
        failed=result.failed,
        job=result.job,
        segmenter=result.segmenter,
        weights=_facts_of_weights(result),
        meanings=FLAG_MEANINGS,
        letters=FLAG_LETTERS,
        notice=notice,
        started=started.strftime("%Y-%m-%d %H:%M %Z"),
        computer=f"{platform.system()} {platform.machine()}, {os.cpu_count() or 1} processor cores",
    )
    return write_whole(result.folder / "index.html", [page.encode("utf-8")])


def _totals(result: DemoResult) -> dict[str, Any]:
    crops = sum(len(image.crops) for image in result.images)
    seconds = [image.seconds for image in result.images if image.seconds is not None]
    return {
        "images": len(result.images),
        "crops": crops,
        "flagged": sum(image.flagged for image in result.images),
        "touching": sum(image.touching for image in result.images),
        "seconds_per_image": sum(seconds) / len(seconds) if seconds else None,
        "upload_s": result.upload_s,
        "wait_s": result.wait_s,
        "expected": sum(image.expected or 0 for image in result.images),
        "duplicates": result.uploaded.count("duplicate"),
    }


def _image_card(result: ImageResult, folder: Path) -> ImageCard:
    # From large to small, as in a karyogram.
    ordered = sorted(result.crops, key=lambda crop: (-(crop.length_px or 0.0), -crop.area_px))
    outputs = result.item.outputs or {}
    image = result.image
    region = region_of(ordered, image.height, image.width)
    return ImageCard(
        result=result,
        preview=scene(result.preview, region, image.width),
        overlay=scene(result.overlay, region, image.width),
        preview_file=result.preview.relative_to(folder).as_posix(),
        overlay_file=result.overlay.relative_to(folder).as_posix(),
        crops=tuple(_crop_card(crop, rank, region, folder) for rank, crop in enumerate(ordered, start=1)),
        shifts=tuple(
            _shift(channel, value)
            for channel, value in (outputs.get("shifts_px") or {}).items()
            if channel != "dapi"
        ),
        removed=tuple(
            f"{count} {reason.replace('_', ' ')}"
            for reason, count in (outputs.get("removed") or {}).items()
            if count
        ),
    )


def _crop_card(crop: Crop, rank: int, region: Region, folder: Path) -> CropCard:
    left, top, width, height = region.percent(crop.bbox)
    return CropCard(
        crop=crop,
        number=crop.label or rank,
        picture=upright(folder / "crops" / f"{crop.id}.png", crop),
        letters="".join(FLAG_LETTERS.get(flag, flag[:1].upper()) for flag in crop.flags),
        left=left,
        top=top,
        width=width,
        height=height,
    )


def _shift(channel: str, value: Any) -> str:
    """For example ``red by +1.2 down, -0.4 right``; the service may tell a pair or named members."""
    if isinstance(value, dict):
        dy, dx, reliable = value.get("dy", 0.0), value.get("dx", 0.0), value.get("reliable", True)
    else:
        (dy, dx), reliable = value, True
    return f"{channel} by {dy:+.1f} down, {dx:+.1f} right" + ("" if reliable else " (uncertain)")


def _facts_of_weights(result: DemoResult) -> list[tuple[str, str]]:
    """Rows about the segmenter: identity first, then what its manifest says, flattened."""
    version = result.segmenter
    weights_sha256 = (result.job.result or {}).get("weights_sha256")
    facts = [("Segmenter", f"{version.name}, version {version.version}")]
    if weights_sha256:
        facts.append(("SHA-256 of the weights", str(weights_sha256)))
    if version.sha256:
        facts.append(("SHA-256 of the artifact", version.sha256))
    return facts + _flat(version.manifest)


def _flat(manifest: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for name, value in manifest.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            facts += _flat(value, f"{label}: ")
        elif isinstance(value, list):
            facts.append((label, ", ".join(str(entry) for entry in value)))
        elif value is not None:
            facts.append((label, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return facts
