"""Small pictures for the page, as data URIs: the page must work alone, wherever it is copied."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Picture

from client.records import Crop

MARGIN_PX = 5
CROP_SCALE = 2
OVERLAY_SIDE = 1300
PREVIEW_SIDE = 900
UPRIGHT_DEG = 90.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside the page: its data URI and its size in pixels of the metaphase."""

    uri: str
    width_px: int
    height_px: int


def scene(path: Path, max_side: int) -> Embedded:
    """A whole metaphase, scaled down if it is larger than `max_side`."""
    with Picture.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((max_side, max_side), Picture.Resampling.LANCZOS)
    return Embedded(_webp(picture, quality=82), picture.width, picture.height)


def upright(path: Path, crop: Crop) -> Embedded:
    """A chromosome turned so that its long axis stands, at a scale that all crops share."""
    with Picture.open(path) as opened:
        picture = opened.convert("RGB")
    large = picture.resize(
        (picture.width * CROP_SCALE, picture.height * CROP_SCALE), Picture.Resampling.BICUBIC
    )
    if crop.orientation_deg is not None and crop.length_px and crop.width_px:
        large = large.rotate(
            UPRIGHT_DEG - crop.orientation_deg, resample=Picture.Resampling.BICUBIC, expand=True
        )
        large = _centred(large, crop.width_px + 2 * MARGIN_PX, crop.length_px + 2 * MARGIN_PX)
    return Embedded(_webp(large, quality=85), large.width // CROP_SCALE, large.height // CROP_SCALE)


def _centred(picture: Picture.Image, width_px: float, height_px: float) -> Picture.Image:
    """Cut the corners that turning added, and leave the chromosome in the middle."""
    half_width = min(picture.width, round(width_px * CROP_SCALE)) / 2
    half_height = min(picture.height, round(height_px * CROP_SCALE)) / 2
    x, y = picture.width / 2, picture.height / 2
    box = (int(x - half_width), int(y - half_height), int(x + half_width), int(y + half_height))
    return picture.crop(box)


def _webp(picture: Picture.Image, quality: int) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
