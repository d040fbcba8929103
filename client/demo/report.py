"""The page: one HTML file that shows what was found, opens without a network and can be mailed."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from client.demo.facts import facts_of_weights
from client.demo.pictures import Embedded, Region, region_of, scene, strip, upright
from client.demo.results import (
    DemoResult,
    FilteredResult,
    ImageResult,
    SyntheticResult,
    by_suspicion,
    is_flagged,
    share_beyond,
)
from client.demo.session import ref_of
from client.demo.synthetic import describe
from client.demo.trust import trust_of
from client.downloads import write_whole
from client.records import Crop

TEMPLATE = "report.html.j2"
MARK_LETTERS = {"touching": "T", "overlapping": "O", "border": "B", "saturated": "S"}
MARK_MEANINGS = {
    "touching": "its outline meets another chromosome's; if the cut between them is off, a piece of a "
    "neighbour in another colour looks like a translocation",
    "overlapping": "it lies across another chromosome, whose colours shine through",
    "border": "the edge of the image cuts it",
    "saturated": "part of it is as bright as the camera can record",
}
SMALLEST_SHOWN = 0.005


@dataclass(frozen=True, slots=True)
class CropCard:
    """A chromosome in the gallery and its box on the overlay, in percent of the image.

    Attributes
    ----------
    channels
        Its grey pictures by channel, for flagged ones.
    """

    crop: Crop
    number: int
    picture: Embedded
    letters: str
    left: float
    top: float
    width: float
    height: float
    channels: Mapping[str, Embedded]

    @property
    def flagged(self) -> bool:
        """Whether the classifier takes it for aberrant."""
        return is_flagged(self.crop)

    @property
    def probability(self) -> str:
        """Of an aberration, in words that fit below a small picture; empty if it was not classified."""
        value = self.crop.probability
        if value is None:
            return ""
        return "<0.01" if value < SMALLEST_SHOWN else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class ImageCard:
    """A metaphase's section."""

    result: ImageResult
    number: int
    preview: Embedded
    overlay: Embedded
    preview_file: str
    overlay_file: str
    crops: tuple[CropCard, ...]
    shifts: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A flagged chromosome and the metaphase that it lies in."""

    image: ImageCard
    card: CropCard


@dataclass(frozen=True, slots=True)
class SyntheticCard:
    """What one generator made, or why it made nothing; `limits` are those that its manifest tells."""

    ref: str
    how: str
    crops: int
    seconds: float | None
    strip: Embedded | None
    trouble: str
    limits: tuple[str, ...]


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
    cards = [_image_card(image, number, result) for number, image in enumerate(result.images, start=1)]
    slides = [image.note.slide for image in result.images if image.note]
    page = environment.get_template(TEMPLATE).render(
        images=cards,
        suspects=_suspects(cards, result),
        totals=_totals(result),
        agreement=_agreement(result.images),
        trust=None if result.classifier is None else trust_of(result.classifier, slides),
        threshold=result.threshold,
        failed=result.failed,
        synthetic=[_synthetic_card(made) for made in result.synthetic],
        filtered=None if result.filtered is None else _filter_card(result.filtered),
        job=result.job,
        weights=facts_of_weights(result),
        meanings=MARK_MEANINGS,
        letters=MARK_LETTERS,
        notice=notice,
        started=started.strftime("%Y-%m-%d %H:%M %Z"),
        computer=f"{platform.system()} {platform.machine()}, {os.cpu_count() or 1} processor cores",
    )
    return write_whole(result.folder / "index.html", [page.encode("utf-8")])


def _totals(result: DemoResult) -> dict[str, Any]:
    seconds = [image.seconds for image in result.images if image.seconds is not None]
    return {
        "images": len(result.images),
        "crops": sum(len(image.crops) for image in result.images),
        "flagged": sum(len(image.flagged) for image in result.images),
        "marked": sum(image.marked for image in result.images),
        "seconds_per_image": sum(seconds) / len(seconds) if seconds else None,
        "upload_s": result.upload_s,
        "wait_s": result.wait_s,
        "expected": sum(image.expected or 0 for image in result.images),
        "duplicates": result.uploaded.count("duplicate"),
    }


def _agreement(images: Iterable[ImageResult]) -> dict[str, int] | None:
    """Flags in metaphases that the images' owner calls normal, which are false alarms if that is true."""
    normal = [image for image in images if image.note and image.note.is_normal]
    if not normal:
        return None
    return {
        "images": len(normal),
        "crops": sum(len(image.crops) for image in normal),
        "flagged": sum(len(image.flagged) for image in normal),
    }


def _suspects(cards: Iterable[ImageCard], result: DemoResult) -> list[Suspect]:
    """Flagged chromosomes of all metaphases, as many as there are pictures of."""
    found = [
        Suspect(image, card) for image in cards for card in image.crops if card.crop.id in result.channels
    ]
    return sorted(found, key=lambda suspect: by_suspicion(suspect.card.crop))


def _image_card(result: ImageResult, number: int, whole: DemoResult) -> ImageCard:
    ordered = sorted(result.crops, key=lambda crop: (not is_flagged(crop), *by_suspicion(crop)))
    outputs = result.item.outputs or {}
    image, folder = result.image, whole.folder
    region = region_of(ordered, image.height, image.width)
    return ImageCard(
        result=result,
        number=number,
        preview=scene(result.preview, region, image.width),
        overlay=scene(result.overlay, region, image.width),
        preview_file=result.preview.relative_to(folder).as_posix(),
        overlay_file=result.overlay.relative_to(folder).as_posix(),
        crops=tuple(_crop_card(crop, rank, region, whole) for rank, crop in enumerate(ordered, start=1)),
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


def _crop_card(crop: Crop, rank: int, region: Region, whole: DemoResult) -> CropCard:
    left, top, width, height = region.percent(crop.bbox)
    channels = whole.channels.get(crop.id, {})
    return CropCard(
        crop=crop,
        number=crop.label or rank,
        picture=upright(whole.folder / "crops" / f"{crop.id}.png", crop),
        letters="".join(MARK_LETTERS.get(flag, flag[:1].upper()) for flag in crop.flags),
        left=left,
        top=top,
        width=width,
        height=height,
        channels={name: upright(path, crop) for name, path in channels.items()},
    )


def _synthetic_card(made: SyntheticResult) -> SyntheticCard:
    return SyntheticCard(
        ref=ref_of(made.generator),
        how=describe(made),
        crops=made.crops,
        seconds=made.job.run_s,
        strip=None if made.strip is None else strip(made.strip),
        trouble=str((made.job.error or {}).get("detail") or "no reason was given"),
        limits=tuple(map(str, made.generator.manifest.get("limits") or ())),
    )


def _filter_card(filtered: FilteredResult) -> dict[str, Any]:
    return {
        "ref": ref_of(filtered.filter),
        "counts": filtered.counts,
        "beyond": share_beyond(filtered.job),
        "page": None if filtered.page is None else filtered.page.name,
    }


def _shift(channel: str, value: Any) -> str:
    """For example ``red by +1.2 down, -0.4 right``; the service may tell a pair or named members."""
    if isinstance(value, dict):
        dy, dx, reliable = value.get("dy", 0.0), value.get("dx", 0.0), value.get("reliable", True)
    else:
        (dy, dx), reliable = value, True
    return f"{channel} by {dy:+.1f} down, {dx:+.1f} right" + ("" if reliable else " (uncertain)")
