"""Stored bytes and a layout into a channel stack: what a job starts from."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from services.errors import InvalidInputError
from services.images.channels import ChannelStack
from services.images.errors import PlaneOutOfRangeError, PlanesDifferError, shown
from services.images.formats import read_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.images.layout import Layout
    from services.images.limits import Limits


def decode(group_sources: Mapping[str, bytes], layout: Layout, limits: Limits | None = None) -> ChannelStack:
    """Decode the files of one image into its channels.

    Parameters
    ----------
    group_sources
        File name (as in the layout) to the file's bytes.
    layout
        What `plan_layout` decided when the files were uploaded.
    limits
        Bounds; the defaults when left out.

    Returns
    -------
    ChannelStack
        (C, H, W) uint8 or uint16, channels in the order red, green, dapi.

    Raises
    ------
    InvalidInputError
        A file that the layout names is not given.
    UploadRejectedError
        The bytes are not what they were at upload.
    """
    absent = [source.file for source in layout.sources if source.file not in group_sources]
    if absent:
        raise InvalidInputError(f"The file {shown(absent[0])} of this image is not given.", "group_sources")
    dtype = np.dtype(f"uint{layout.bit_depth}")
    pixels = np.empty((len(layout.sources), layout.height, layout.width), dtype)
    for file in dict.fromkeys(source.file for source in layout.sources):
        planes = read_picture(io.BytesIO(group_sources[file]), file, limits).planes
        if planes.shape[1:] != pixels.shape[1:] or planes.dtype != dtype:
            raise PlanesDifferError(f"{shown(file)} is not of the size and depth that its layout says.")
        for index, source in enumerate(layout.sources):
            if source.file != file:
                continue
            if source.plane >= len(planes):
                raise PlaneOutOfRangeError(f"{shown(file)} has no plane {source.plane}.")
            pixels[index] = planes[source.plane]
    return ChannelStack(pixels, layout.channels, layout.bit_depth, layout.pixel_size_um)
