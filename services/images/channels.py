"""Red, green and DAPI: the channels of an image, and how a client says which is which.

A channel rule is either a set of file-name patterns (one grey file per channel) or a set of plane
indices (one file with several planes). Without a rule, names found in the file decide, and then the
plain habits of microscopy software: a colour picture is red, green, DAPI.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MAX_PATTERN_LENGTH = 200
CHANNELS: tuple[str, ...] = ("red", "green", "dapi")

# Matched against a name stripped of everything but letters and digits. The order matters: "dapi" first,
# and dyes before colours, since a name such as "SpectrumGreen (red LUT)" is told by its dye.
_DYES: tuple[tuple[str, str], ...] = (
    ("dapi", r"dapi|hoechst|h3334[12]|h33258|counterstain|spectrumblue|vectorblue"),
    (
        "green",
        r"fitc|gfp|spectrum(gr|green)|sgreen|alexa(fluor)?488|af488|cy2|fluorescein|oregongreen|atto488|diogreen",
    ),
    (
        "red",
        (
            r"texasred|txred|cy3(?!\d)|cy35|tritc|rhodamine|spectrum(or|orange|rd|red)|sorange|mcherry|rfp|dsred|"
            r"alexa(fluor)?(546|555|568|594)|af(546|555|568|594)|atto(550|565|594)|cy5"
        ),
    ),
    ("dapi", r"^(blue|b)$"),
    ("green", r"^(green|g)$"),
    ("red", r"^(red|r|orange)$"),
)


@dataclass(frozen=True, slots=True)
class ChannelStack:
    """One metaphase, decoded.

    Attributes
    ----------
    pixels : (C, H, W) uint8 or uint16
        One plane per channel, in the order of `channels`.
    channels
        A subset of ("red", "green", "dapi") in that order.
    bit_depth
        8 or 16, the depth of the container.
    pixel_size_um
        Edge of a pixel in micrometres, or None when the file does not say.
    """

    pixels: NDArray[np.generic]
    channels: tuple[str, ...]
    bit_depth: int
    pixel_size_um: float | None

    def plane(self, channel: str) -> NDArray[np.generic]:
        """Return the (H, W) plane of one channel.

        Raises
        ------
        InvalidInputError
            The image has no such channel.
        """
        if channel not in self.channels:
            raise InvalidInputError(
                f"This image has no channel {channel!r}; it has {', '.join(self.channels)}.", "channel"
            )
        plane: NDArray[np.generic] = self.pixels[self.channels.index(channel)]
        return plane


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """What the `channels` field of an upload says: patterns or planes, never both.

    Attributes
    ----------
    patterns
        Channel to file-name pattern with exactly one `*`; what the star matches names the image.
    planes
        Channel to plane index, counted from 0.
    """

    patterns: Mapping[str, str] | None = None
    planes: Mapping[str, int] | None = None


def parse_channel_rule(text: str | None) -> ChannelRule | None:
    """Read the `channels` JSON of an upload; nothing given means no rule.

    Raises
    ------
    InvalidInputError
        The text is not such an object, names an unknown channel, leaves out DAPI, mixes patterns with
        plane indices, or uses a pattern without exactly one `*`.
    """
    if text is None or not text.strip():
        return None
    try:
        rule = json.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits
        raise _rule_error(f"it is not JSON ({str(error)[:80]})") from error
    if not isinstance(rule, dict) or not rule:
        raise _rule_error("it must be a JSON object")
    unknown = [str(key)[:40] for key in rule if key not in CHANNELS]
    if unknown:
        raise _rule_error(f"unknown channel {unknown[0]!r}; the known ones are {', '.join(CHANNELS)}")
    if "dapi" not in rule:
        raise _rule_error("dapi is missing, and segmentation needs it")
    ordered = {channel: rule[channel] for channel in CHANNELS if channel in rule}
    if all(isinstance(value, str) for value in ordered.values()):
        return ChannelRule(patterns=_checked_patterns(ordered))
    if all(type(value) is int for value in ordered.values()):
        return ChannelRule(planes=_checked_planes(ordered))
    raise _rule_error("its values must be all file-name patterns or all plane numbers")


def channel_of_name(name: str | None) -> str | None:
    """The channel that a dye's or a colour's name stands for, or None for an unknown name.

    Examples
    --------
    >>> channel_of_name("Hoechst 33342"), channel_of_name("Texas Red"), channel_of_name("Alexa Fluor 488")
    ('dapi', 'red', 'green')
    """
    if not name:
        return None
    letters = re.sub(r"[^a-z0-9]", "", name[:200].lower())
    for channel, pattern in _DYES:
        if re.search(pattern, letters):
            return channel
    return None


def _checked_patterns(patterns: dict[str, str]) -> dict[str, str]:
    for channel, pattern in patterns.items():
        if pattern.count("*") != 1 or len(pattern) > _MAX_PATTERN_LENGTH:
            raise _rule_error(f"the pattern of {channel} must contain exactly one *, as in *D.tif")
    if len(set(patterns.values())) != len(patterns):
        raise _rule_error("two channels have the same pattern")
    return patterns


def _checked_planes(planes: dict[str, int]) -> dict[str, int]:
    if min(planes.values()) < 0:
        raise _rule_error("plane numbers count from 0")
    if len(set(planes.values())) != len(planes):
        raise _rule_error("two channels have the same plane")
    return planes


def _rule_error(reason: str) -> InvalidInputError:
    example = '{"dapi": "*D.tif", "red": "*O.tif", "green": "*G.tif"} or {"red": 0, "green": 1, "dapi": 2}'
    return InvalidInputError(
        f"The channels field cannot be used: {reason}. Send for example {example}.", "channels"
    )
