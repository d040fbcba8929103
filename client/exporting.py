"""Crops to a folder: PNG pictures, a CSV that describes them, and the label masks of their images.

Running an export again into the same folder fetches only what is missing: a picture that is there is
whole, because files appear under their name when they are complete. The CSV is written anew.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.downloads import write_whole
from client.errors import UnexpectedAnswerError
from client.http import Client
from client.records import Crop

PARALLEL_DOWNLOADS = 4
WINDOW = 64
MANIFEST_NAME = "crops.csv"
COLUMNS = (
    "file", "crop_id", "image_id", "image_filename", "sample", "job_id", "origin", "label",
    "y0", "x0", "y1", "x1", "area_px", "length_px", "width_px", "orientation_deg", "flags", "class",
    "classifier", "predicted_class", "p_aberration", "source_crop_id", "generator", "seed", "sample_number",
)  # fmt: skip
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export left behind.

    Attributes
    ----------
    folder
        Where everything is.
    crops
        Rows of the CSV.
    fetched, kept
        Pictures downloaded now, and pictures that were there already.
    masks
        Label images in ``masks/``.
    """

    folder: Path
    manifest: Path
    crops: int
    fetched: int
    kept: int
    masks: int


def export_crops(
    client: Client,
    folder: Path,
    *,
    filters: dict[str, Any],
    channel: str | None = None,
    masks: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> ExportReport:
    """Write the crops that match `filters` (as in `Client.crops`) below `folder`.

    Parameters
    ----------
    channel
        One channel in grey instead of all in colour; goes to a folder of its own.
    masks
        Also save the label image of each image and job, in which `label` of the CSV's boxes can be found.
    on_progress
        Called with the number of crops done.

    Raises
    ------
    LocalFileError, ProblemError, ConnectionFailedError
        What was fetched stays; run again to continue.
    """
    pictures = "crops" if channel is None else f"crops_{_safe(channel)}"
    names: dict[str, str] = {}
    pairs: dict[tuple[str, str], None] = {}
    rows, fetched = 0, 0
    temporary = io.StringIO()
    writer = csv.DictWriter(temporary, COLUMNS, lineterminator="\n")
    writer.writeheader()
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        for window in _windows(client.crops(**filters)):
            targets = [folder / pictures / f"{_safe(crop.id)}.png" for crop in window]
            fetched += sum(pool.map(lambda c, t: _fetch(client, c, t, channel), window, targets))
            for crop, target in zip(window, targets, strict=True):
                writer.writerow(_row(crop, target.relative_to(folder), _filename(client, crop, names)))
                if crop.image_id and crop.job_id:
                    pairs[crop.image_id, crop.job_id] = None
            rows += len(window)
            on_progress(rows)
    manifest = write_whole(folder / MANIFEST_NAME, [temporary.getvalue().encode()])
    if masks:
        _save_masks(client, folder / "masks", pairs)
    return ExportReport(folder, manifest, rows, fetched, rows - fetched, len(pairs) if masks else 0)


def _windows(crops: Iterator[Crop]) -> Iterator[Sequence[Crop]]:
    window: list[Crop] = []
    for crop in crops:
        window.append(crop)
        if len(window) == WINDOW:
            yield window
            window = []
    if window:
        yield window


def _fetch(client: Client, crop: Crop, target: Path, channel: str | None) -> bool:
    if target.exists():
        return False
    write_whole(target, [client.crop_png(crop.id, channel=channel)])
    return True


def _filename(client: Client, crop: Crop, names: dict[str, str]) -> str:
    """The file name of a crop's image, asked for once per image."""
    if crop.image_id is None:
        return ""
    if crop.image_id not in names:
        names[crop.image_id] = client.image(crop.image_id).filename
    return names[crop.image_id]


def _row(crop: Crop, file: Path, image_filename: str) -> dict[str, Any]:
    newest = crop.predictions[-1] if crop.predictions else None
    return {
        "file": file.as_posix(),
        "crop_id": crop.id,
        "image_id": crop.image_id,
        "image_filename": image_filename,
        "sample": crop.sample,
        "job_id": crop.job_id,
        "origin": crop.origin,
        "label": crop.label,
        **dict(zip(("y0", "x0", "y1", "x1"), crop.bbox, strict=False)),
        "area_px": crop.area_px,
        "length_px": _rounded(crop.length_px),
        "width_px": _rounded(crop.width_px),
        "orientation_deg": _rounded(crop.orientation_deg),
        "flags": " ".join(crop.flags),
        "class": crop.crop_class,
        "classifier": newest.classifier if newest else None,
        "predicted_class": newest.predicted_class if newest else None,
        "p_aberration": newest.probabilities.get("aberration") if newest else None,
        **_provenance(crop),
    }


def _provenance(crop: Crop) -> dict[str, Any]:
    """How a synthetic crop was made; a real one has empty cells."""
    made = crop.synthetic
    return {
        name: getattr(made, name, None) for name in ("source_crop_id", "generator", "seed", "sample_number")
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _save_masks(client: Client, folder: Path, pairs: dict[tuple[str, str], None]) -> None:
    for image_id, job_id in pairs:
        target = folder / f"{_safe(image_id)}_{_safe(job_id)}.tif"
        if not target.exists():
            client.download_masks(image_id, target, job=job_id)


def _safe(identity: str) -> str:
    """An id becomes a file name only if it can be nothing else than that."""
    if not _SAFE_ID.fullmatch(identity):
        raise UnexpectedAnswerError(identity[:40], "an id with characters that no id has")
    return identity
