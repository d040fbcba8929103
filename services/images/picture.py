"""A decoded file: its planes, and the facts that the planes themselves reveal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from services.images.source import PictureFormat, SourceInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded file.

    Attributes
    ----------
    info
        Facts about it.
    planes : (P, H, W) uint8 or uint16
        Native byte order.
    """

    info: SourceInfo
    planes: NDArray[np.generic]


def make_picture(
    planes: NDArray[np.generic],
    form: PictureFormat,
    *,
    colour: bool,
    names: tuple[str | None, ...] = (),
    pixel_size_um: float | None = None,
) -> Picture:
    """Look at decoded planes and describe them.

    Parameters
    ----------
    planes : (P, H, W) uint8 or uint16
    form
        The container that they came from.
    colour
        Whether they are red, green and blue of one picture.
    names
        One per plane, or nothing.
    pixel_size_um
        Edge of a pixel, or None.
    """
    count, height, width = planes.shape
    # By digest: comparing each plane with each would take seconds for 32 large ones that are nearly alike.
    digests = [hashlib.sha256(np.ascontiguousarray(plane).data).digest() for plane in planes]
    distinct = [
        index
        for index, plane in enumerate(planes)
        if digests.index(digests[index]) == index and plane.min() != plane.max()
    ]
    identical = count > 1 and len(set(digests)) == 1
    dtype: Literal["uint8", "uint16"] = "uint8" if planes.dtype == np.uint8 else "uint16"
    info = SourceInfo(
        format=form,
        height=height,
        width=width,
        planes=count,
        colour=colour,
        distinct_planes=tuple(distinct),
        identical_planes=identical,
        channel_names=names or (None,) * count,
        dtype=dtype,
        pixel_size_um=pixel_size_um,
    )
    return Picture(info, planes)
