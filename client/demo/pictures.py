"""Small pictures for the page, as data URIs: the page must work alone, wherever it is copied."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Picture

from client.records import Crop

MARGIN_PX = 5
SURROUNDINGS_PX = 24
CROP_SCALE = 2
MAX_SIDE = 1300
UPRIGHT_DEG = 90.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside the page: its data URI and its size in pixels of the metaphase."""

    uri: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an image that is shown, in its pixels: y0, x0, y1, x1, half-open."""

    y0: int
    x0: int
    y1: int
    x1: int

    def percent(self, bbox: tuple[int, ...]) -> tuple[float, float, float, float]:
        """Left, top, width and height of a box within the region, in percent."""
        y0, x0, y1, x1 = bbox
        height, width = self.y1 - self.y0, self.x1 - self.x0
        left, top = 100 * (x0 - self.x0) / width, 100 * (y0 - self.y0) / height
        return left, top, 100 * (x1 - x0) / width, 100 * (y1 - y0) / height


def region_of(crops: Sequence[Crop], height_px: int, width_px: int) -> Region:
    """The surroundings of all chromosomes, since most of a field of view is empty; all of it if none."""
    if not crops:
        return Region(0, 0, height_px, width_px)
    y0, x0, y1, x1 = zip(*(crop.bbox for crop in crops), strict=True)
    return Region(
        max(0, min(y0) - SURROUNDINGS_PX),
        max(0, min(x0) - SURROUNDINGS_PX),
        min(height_px, max(y1) + SURROUNDINGS_PX),
        min(width_px, max(x1) + SURROUNDINGS_PX),
    )


def scene(path: Path, region: Region, image_width_px: int) -> Embedded:
    """The region of a metaphase's picture, which may be drawn larger or smaller than the image is."""
    with Picture.open(path) as opened:
        picture = opened.convert("RGB")
    scale = picture.width / image_width_px
    left, top, right, bottom = (round(edge * scale) for edge in (region.x0, region.y0, region.x1, region.y1))
    picture = picture.crop((left, top, right, bottom))
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Picture.Resampling.LANCZOS)
    stream = io.BytesIO()
    # Full colour resolution: thin coloured outlines would be washed out otherwise.
    picture.save(stream, "JPEG", quality=85, subsampling=0, optimize=True)
    return Embedded(_uri("jpeg", stream), picture.width, picture.height)


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


def strip(path: Path) -> Embedded:
    """A picture as the service drew it."""
    with Picture.open(path) as opened:
        picture = opened.convert("RGB")
    return Embedded(_webp(picture, quality=90), picture.width, picture.height)


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
    return _uri("webp", stream)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(stream.getvalue()).decode("ascii")
