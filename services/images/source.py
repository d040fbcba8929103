"""What is known about one uploaded picture file after its pixels have been decoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PictureFormat = Literal["tiff", "ome-tiff", "imagej-tiff", "png", "jpeg"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Facts about one picture file.

    Attributes
    ----------
    format
        Container, told from the contents and never from the name.
    height, width
        Of every plane, in pixels.
    planes
        Number of planes: pages of a grey file, or 3 for a colour picture (alpha is not a plane).
    colour
        Whether the planes are the red, green and blue of one colour picture.
    distinct_planes
        Planes that carry a picture of their own: neither constant nor a copy of an earlier plane. A grey
        picture saved as RGB has one; so has a DAPI plane shown in blue.
    identical_planes
        Whether all planes are copies of each other, which is how grey pictures look when saved as RGB.
    channel_names
        Per plane, the name that the file gives it, or None.
    dtype
        "uint8" or "uint16".
    pixel_size_um
        Edge of a pixel in micrometres, or None.
    """

    format: PictureFormat
    height: int
    width: int
    planes: int
    colour: bool
    distinct_planes: tuple[int, ...]
    identical_planes: bool
    channel_names: tuple[str | None, ...]
    dtype: Literal["uint8", "uint16"]
    pixel_size_um: float | None

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return 8 if self.dtype == "uint8" else 16
