"""How the files of one image become its channels, decided once and stored beside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.errors import InvalidInputError
from services.images.channels import CHANNELS, ChannelRule, channel_of_name
from services.images.errors import (
    AmbiguousChannelsError,
    DapiMissingError,
    PlaneOutOfRangeError,
    PlanesDifferError,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.images.grouping import FileGroup
    from services.images.source import SourceInfo

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ChannelSource:
    """Where one channel's pixels are: a file of the group, and a plane in it counted from 0."""

    channel: str
    file: str
    plane: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How sources become channels.

    Attributes
    ----------
    sources
        One per channel, in the order red, green, dapi.
    height, width, bit_depth
        Of every plane.
    pixel_size_um
        Edge of a pixel, or None.
    """

    sources: tuple[ChannelSource, ...]
    height: int
    width: int
    bit_depth: int
    pixel_size_um: float | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in order."""
        return tuple(source.channel for source in self.sources)

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON can hold; `from_json` reads it back."""
        return {
            "version": _VERSION,
            "sources": [{"channel": s.channel, "file": s.file, "plane": s.plane} for s in self.sources],
            "height": self.height,
            "width": self.width,
            "bit_depth": self.bit_depth,
            "pixel_size_um": self.pixel_size_um,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Layout:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidInputError
            The value is of another version or lacks a field.
        """
        if value.get("version") != _VERSION:
            raise InvalidInputError(f"Layout version {value.get('version')!r} is not known.", "layout")
        try:
            sources = tuple(ChannelSource(s["channel"], s["file"], int(s["plane"])) for s in value["sources"])
            return cls(sources, value["height"], value["width"], value["bit_depth"], value["pixel_size_um"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError("The layout lacks a field or has a wrong one.", "layout") from error


def plan_layout(group: FileGroup, infos: Mapping[str, SourceInfo], rule: ChannelRule | None) -> Layout:
    """Decide which plane of which file is red, green and DAPI.

    Parameters
    ----------
    group
        Files of one image, without an error.
    infos
        What `inspect_source` said of each of its files.
    rule
        The upload's channel rule, or None.

    Raises
    ------
    UploadRejectedError
        A subclass: no DAPI, ambiguous planes, a plane that does not exist, or planes that differ in size
        or depth.
    """
    if group.error is not None:
        raise group.error
    if group.members:
        sources = tuple(_single_plane(c, name, infos[name]) for c, name in group.members.items())
    else:
        name = group.files[0]
        planes = _planes(name, infos[name], rule)
        sources = tuple(ChannelSource(c, name, planes[c]) for c in CHANNELS if c in planes)
    used = [infos[source.file] for source in sources]
    first = used[0]
    if any((i.height, i.width, i.dtype) != (first.height, first.width, first.dtype) for i in used):
        sizes = ", ".join(
            f"{s.channel} {i.width} x {i.height} {i.dtype}" for s, i in zip(sources, used, strict=True)
        )
        raise PlanesDifferError(f"{shown(group.name)}: the channels differ ({sizes}). Export them alike.")
    size_um = next((info.pixel_size_um for info in used if info.pixel_size_um is not None), None)
    return Layout(sources, first.height, first.width, first.bit_depth, size_um)


def _single_plane(channel: str, name: str, info: SourceInfo) -> ChannelSource:
    """The one picture in a per-channel file, which may be shown in colour or saved as RGB."""
    if info.planes == 1:
        return ChannelSource(channel, name, 0)
    if info.colour and (info.identical_planes or len(info.distinct_planes) == 1):
        return ChannelSource(channel, name, 0 if info.identical_planes else info.distinct_planes[0])
    raise AmbiguousChannelsError(
        f"{shown(name)} should be the {channel} plane but has {info.planes} planes. Export one grey plane."
    )


def _planes(name: str, info: SourceInfo, rule: ChannelRule | None) -> dict[str, int]:
    """Channel to plane of a file that holds all channels."""
    if rule is not None and rule.planes is not None:
        highest = max(rule.planes.values())
        if highest >= info.planes:
            raise PlaneOutOfRangeError(
                f"{shown(name)} has {info.planes} planes, counted from 0; the rule asks for plane {highest}."
            )
        return dict(rule.planes)
    if info.planes == 1 or (info.colour and info.identical_planes):
        return _unless_named_otherwise(name, info)
    if info.colour:
        return {"red": 0, "green": 1, "dapi": 2}
    named = _named_planes(name, info)
    if named:
        return named
    if info.planes == len(CHANNELS):
        return {"red": 0, "green": 1, "dapi": 2}
    raise AmbiguousChannelsError(
        f"{shown(name)} has {info.planes} planes without known names. "
        'Say which is which, for example channels={"red": 0, "green": 1, "dapi": 2}.'
    )


def _unless_named_otherwise(name: str, info: SourceInfo) -> dict[str, int]:
    """A single plane is DAPI, unless the file itself calls it a red or green dye."""
    if channel_of_name(info.channel_names[0]) in ("red", "green"):
        raise DapiMissingError(
            f"{shown(name)} holds one plane named {shown(info.channel_names[0] or '', 40)}. "
            "Send its DAPI plane too, with a channels rule that groups the files."
        )
    return {"dapi": 0}


def _named_planes(name: str, info: SourceInfo) -> dict[str, int]:
    """Planes told by the names that the file gives them; empty when none of the names is known."""
    found: dict[str, int] = {}
    for plane, label in enumerate(info.channel_names):
        channel = channel_of_name(label)
        if channel is None:
            continue
        if channel in found:
            raise AmbiguousChannelsError(
                f"{shown(name)} has two planes that look {channel}. Say which one to use in channels."
            )
        found[channel] = plane
    if found and "dapi" not in found:
        labels = shown(", ".join(label or "-" for label in info.channel_names))
        raise DapiMissingError(
            f"{shown(name)} names its planes {labels}; "
            "none of them is DAPI. Say which one it is in the channels rule."
        )
    return found
