"""What microscopes write beside the pixels: channel names, pixel size, stacks (OME-XML and ImageJ).

Only text is read here. An OME document that describes pixels in another file is refused, since nothing
that an uploaded file names is ever opened.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from services.images.errors import (
    CorruptFileError,
    TimeSeriesError,
    UnsupportedFormatError,
    ZStackError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UM_PER_UNIT = {
    "nm": 1e-3,
    "um": 1.0,
    "\N{MICRO SIGN}m": 1.0,
    "\N{GREEK SMALL LETTER MU}m": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25_400.0,
    "in": 25_400.0,
}
# Metaphases are imaged at 40x to 100x. Values outside are print resolutions such as 72 dots per inch.
_PLAUSIBLE_UM = (0.01, 5.0)
# An image of one focal plane and one time point needs far fewer; each pair of them may be looked at.
_MAX_CHANNELS = 256
_MAX_OME_CHARACTERS = 4 * 1024 * 1024
_STACK_ADVICE = "Export one focal plane (or a maximum projection) and upload that."
_SERIES_ADVICE = "Export a single time point and upload that."


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the text beside the pixels says.

    Attributes
    ----------
    names
        Page index to channel name; pages without a name are left out.
    pixel_size_um
        Edge of a pixel, or None.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    pixel_size_um: float | None = None


def plausible_um(size_um: float | None) -> float | None:
    """The size itself when a microscope could have it, else None."""
    if size_um is None or not math.isfinite(size_um) or not _PLAUSIBLE_UM[0] <= size_um <= _PLAUSIBLE_UM[1]:
        return None
    return size_um


def to_um(value: float, unit: str) -> float | None:
    """Convert a length to micrometres; None for a unit that is not a length (such as "pixel")."""
    factor = _UM_PER_UNIT.get(unit.strip().replace("\\u00B5", "\N{MICRO SIGN}").lower())
    return None if factor is None else value * factor


def read_ome(xml: str) -> Metadata:
    """Read an OME-XML document that describes one image.

    Raises
    ------
    CorruptFileError
        The text is not well-formed XML, is far longer than a description, or uses entities (which only an
        attack does).
    ZStackError, TimeSeriesError
        The image has more than one focal plane or time point.
    UnsupportedFormatError
        Pixels lie in other files.
    """
    if len(xml) > _MAX_OME_CHARACTERS:
        raise CorruptFileError("The OME description is too long. Export the image without its annotations.")
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise CorruptFileError("The OME description declares XML entities. Export the image again.")
    try:
        root = ET.fromstring(xml)  # noqa: S314 - entities are refused above, nothing else expands
    except (ET.ParseError, ValueError, LookupError) as error:
        raise CorruptFileError("The OME description is not well-formed XML. Export it again.") from error
    pixels = next((element for element in root.iter() if _tag(element) == "Pixels"), None)
    if pixels is None:
        raise CorruptFileError("The OME description has no Pixels element. Export the image again.")
    if _integer(pixels.get("SizeZ")) > 1:
        raise ZStackError(f"The OME-TIFF has {pixels.get('SizeZ')} focal planes. {_STACK_ADVICE}")
    if _integer(pixels.get("SizeT")) > 1:
        raise TimeSeriesError(f"The OME-TIFF has {pixels.get('SizeT')} time points. {_SERIES_ADVICE}")
    _refuse_other_files(root, pixels)
    channels = [element for element in pixels if _tag(element) == "Channel"]
    planes = [element for element in pixels if _tag(element) == "TiffData"]
    if max(len(channels), len(planes)) > _MAX_CHANNELS:
        raise CorruptFileError(f"The OME description has over {_MAX_CHANNELS} channels. Export it again.")
    names = {}
    for page, channel in _channel_of_page(planes, len(channels)).items():
        name = channels[channel].get("Name") or channels[channel].get("Fluor") or ""
        if name:
            names[page] = name
    return Metadata(names, _ome_pixel_size(pixels))


def read_imagej(description: str, labels: list[str] | None, pixels_per_unit: float | None) -> Metadata:
    """Read the description that ImageJ writes into the first page.

    Parameters
    ----------
    description
        Lines of `key=value`.
    labels
        Slice labels in page order, if the file carries them.
    pixels_per_unit
        The horizontal resolution of the page.

    Raises
    ------
    ZStackError, TimeSeriesError
        The hyperstack has more than one slice or frame.
    """
    pairs = re.findall(r"^([A-Za-z]+)=(.*)$", description[:20_000], re.MULTILINE)
    values = {name: value.rstrip() for name, value in pairs}
    slices, frames = _integer(values.get("slices")), _integer(values.get("frames"))
    if frames > 1:
        raise TimeSeriesError(f"The ImageJ file has {frames} frames. {_SERIES_ADVICE}")
    # A plain stack of separate channels is counted in slices too; only a hyperstack knows the difference.
    if slices > 1 and ("channels" in values or "hyperstack" in values):
        raise ZStackError(f"The ImageJ file has {slices} slices. {_STACK_ADVICE}")
    names = {page: label.splitlines()[0] for page, label in enumerate(labels or []) if label.strip()}
    size_um = None
    if pixels_per_unit and "unit" in values:
        size_um = to_um(1.0 / pixels_per_unit, values["unit"])
    return Metadata(names, plausible_um(size_um))


def _channel_of_page(planes: Sequence[ET.Element], count: int) -> dict[int, int]:
    """Page index to channel index; without Z and T, channels follow each other unless TiffData says more."""
    mapping: dict[int, int] = {}
    for data in planes:
        if data.get("IFD") is None and data.get("FirstC") is None:
            continue
        first_page, first_channel = _integer(data.get("IFD"), 0), _integer(data.get("FirstC"), 0)
        for step in range(min(_integer(data.get("PlaneCount")), count)):
            mapping[first_page + step] = first_channel + step
    if not mapping:
        mapping = {channel: channel for channel in range(count)}
    return {page: channel for page, channel in mapping.items() if 0 <= channel < count}


def _refuse_other_files(root: ET.Element, pixels: ET.Element) -> None:
    own = root.get("UUID")
    others = {element.text for element in pixels.iter() if _tag(element) == "UUID"} - {own}
    binary_only = any(_tag(element) == "BinaryOnly" for element in root)
    if binary_only or (own is not None and others) or len(others) > 1:
        raise UnsupportedFormatError(
            "This OME-TIFF is one part of a set that spans several files. Export it as a single OME-TIFF."
        )


def _ome_pixel_size(pixels: ET.Element) -> float | None:
    try:
        size = float(pixels.get("PhysicalSizeX") or "nan")
    except ValueError:
        return None
    return plausible_um(to_um(size, pixels.get("PhysicalSizeXUnit") or "\N{MICRO SIGN}m"))


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _integer(text: str | None, default: int = 1) -> int:
    """A small count from metadata; anything else is the default, since the pixels are counted anyway."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,6}", text.strip()) else default
