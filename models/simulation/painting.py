"""What the painter may draw: every parameter with its unit, its range and where the range is from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from models.simulation.colours import COLOURS

Range = tuple[float, float]
_WHITE = 255
_LARGEST_SCALE = 16.0
_LENGTHS_PX = ("sharpness_px", "misregistration_px")
# Lower and upper limit of what a range may say.
_LIMITS: dict[str, Range] = {
    "position": (0.0, 1.0),
    "angle_deg": (-60.0, 60.0),
    "sharpness_px": (0.1, 32.0),
    "paint_ratio": (0.05, 5.0),
    "painted_level": (1.0, 255.0),
    "dark_ratio": (0.0, 0.9),
    "kept_ratio": (0.05, 5.0),
    "dapi_exponent": (0.0, 3.0),
    "grain": (0.0, 1.0),
    "own_grain": (0.0, 1.0),
    "bleed": (0.0, 1.0),
    "misregistration_px": (0.0, 8.0),
}


class PaintingError(ValueError):
    """Parameters that nothing can be painted with."""

    code: ClassVar[str] = "painting_unusable"
    title: ClassVar[str] = "Nothing can be painted with these parameters"


class UnpaintableError(ValueError):
    """A crop that nothing can be painted on."""

    code: ClassVar[str] = "crop_unusable"
    title: ClassVar[str] = "The crop cannot be painted"


@dataclass(frozen=True)
class Painting:
    """Ranges from which every crop draws its own values, uniformly.

    Lengths are pixels of the canvas, levels are its grey levels (0 to 255).

    The defaults were measured on the ADIR M-FISH training slides (6,371 crops of painted normals and 233 of
    translocations, canvases of 64 px at 1.6 canvas pixels per image pixel), by fitting a blurred step to
    red and green along each translocation. In brackets is the range from the 5th to the 95th percentile
    there. Nearly all those translocations come from two cell lines, so the defaults are rounded, and leave
    out tails that are as likely a poor fit as a rare chromosome.

    Attributes
    ----------
    position
        Of the junction, as a fraction of the chromosome's length (0.10 to 0.90, most near the middle).
    end_px
        No junction is nearer to an end (5th percentile 6), unless the chromosome is too short for that.
    angle_deg
        Between the junction and a straight cut across the middle line (-26 to 23).
    sharpness_px
        Standard deviation of the blur between the two colours (1.2 to 8, median 2.6).
    second_colours
        Weights of none, red, green and yellow (67, 28, 30 and 8 % of the crops have such a side besides
        that of another colour); the crop's own colour is never drawn.
    three_parts
        Probability of a second junction behind the first: the part between has the second colour, the
        rest another one or the own colour again (an insertion). In a fifth of the crops the steps of red
        and green lie far apart.
    paint_ratio
        Level of new paint relative to the crop's own (0.45 to 2.2 between a red and a green side).
    painted_level
        Median level of new paint where the crop has none to compare with (100 to 248).
    dark_ratio
        Level of a channel without paint relative to the same channel with it (0.01 to 0.65, median 0.3).
        New paint is never fainter than the darker side of its channel allows.
    least_step
        Grey levels between both sides of a channel that changes, at least, as far as black and white
        allow (98 % of the translocations have a step above 60 in some channel). A fainter one would be an
        aberration that nobody can see.
    kept_ratio
        Level of the second chromosome relative to the first in a channel that both carry (0.68 to 0.89 of
        the brighter one).
    dapi_exponent
        New paint follows DAPI to this power: 0 not at all, 1 in proportion (-0.1 to 1.1, median 0.44).
    grain
        Relative standard deviation of new paint about that, where the crop has no paint of its own to
        measure it (0.13 to 0.42, median 0.20).
    own_grain
        Correlation of the new paint's grain with that of the crop's own, or with one that both channels
        share (0.36 to 0.95 between the red and the green of normals that carry both).
    bleed
        Share of new paint that is seen in the other channel (median 0.01, too little to tell its spread).
    misregistration_px
        How far new paint is shifted against DAPI, in any direction (registration leaves a median of 0.2
        and a 95th percentile of 1.2 image pixels).
    grain_scale
        Lengths over which the grain of new paint is alike, relative to those that were measured. What
        becomes finer than a pixel fades, as it does under a microscope.
    """

    position: Range = (0.1, 0.9)
    end_px: float = 6.0
    angle_deg: Range = (-20.0, 20.0)
    sharpness_px: Range = (1.2, 4.5)
    second_colours: Mapping[str, float] = field(
        default_factory=lambda: {"none": 5.0, "red": 2.0, "green": 2.0, "yellow": 1.0}
    )
    three_parts: float = 0.2
    paint_ratio: Range = (0.6, 1.6)
    painted_level: Range = (120.0, 245.0)
    dark_ratio: Range = (0.1, 0.5)
    least_step: float = 60.0
    kept_ratio: Range = (0.7, 1.4)
    dapi_exponent: Range = (0.0, 1.0)
    grain: Range = (0.13, 0.3)
    own_grain: Range = (0.45, 0.9)
    bleed: Range = (0.0, 0.05)
    misregistration_px: Range = (0.0, 1.0)
    grain_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that nothing can be painted with."""
        for name, limits in _LIMITS.items():
            _check_range(name, getattr(self, name), limits)
        if not (math.isfinite(self.end_px) and self.end_px >= 0):
            raise PaintingError(f"end_px must be 0 or more, not {self.end_px}.")
        if not 0 <= self.least_step < _WHITE:
            raise PaintingError(f"least_step must be 0 or more and below {_WHITE}, not {self.least_step}.")
        if not 0 <= self.three_parts <= 1:
            raise PaintingError(f"three_parts is a probability from 0 to 1, not {self.three_parts}.")
        if not 0 < self.grain_scale <= _LARGEST_SCALE:
            raise PaintingError(
                f"grain_scale must be above 0 and at most {_LARGEST_SCALE:g}, not {self.grain_scale}."
            )
        _check_colours(self.second_colours)

    def scaled(self, factor: float) -> Painting:
        """Return the same painting for canvases on which a chromosome is `factor` times as long.

        Parameters
        ----------
        factor
            New canvas pixels per old canvas pixel: 0.5 for a scale of 0.8 instead of 1.6. Lengths follow
            it, levels and angles stay.

        Raises
        ------
        PaintingError
            The factor is not above 0, or a length would leave its limits.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise PaintingError(f"A painting is scaled by a factor above 0, not {factor}.")
        ranges: dict[str, Any] = {
            name: tuple(factor * end for end in getattr(self, name)) for name in _LENGTHS_PX
        }
        return replace(self, **ranges, end_px=factor * self.end_px, grain_scale=factor * self.grain_scale)

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        stored = asdict(self)
        return stored | {name: list(stored[name]) for name in _LIMITS}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Painting:
        """Read what `to_json` wrote; what is not named keeps its default.

        Raises
        ------
        PaintingError
            A parameter is unknown or out of its limits.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(stored) - set(known))
        if unknown:
            raise PaintingError(f"Unknown painting parameters {unknown}; known: {', '.join(known)}.")
        return cls(**{name: _read(name, value) for name, value in stored.items()})


def _read(name: str, value: Any) -> Any:
    try:
        if name in _LIMITS:
            low, high = value
            return (float(low), float(high))
        if name == "second_colours":
            return {str(colour): float(weight) for colour, weight in value.items()}
        return float(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise PaintingError(f"{name} cannot be {value!r}: {error}.") from error


def _check_range(name: str, given: Range, limits: Range) -> None:
    low, high = given
    if not limits[0] <= low <= high <= limits[1]:
        raise PaintingError(
            f"{name} must be a range (low, high) within {limits[0]:g} to {limits[1]:g}, not {given}."
        )


def _check_colours(weights: Mapping[str, float]) -> None:
    unknown = sorted(set(weights) - set(COLOURS))
    if unknown:
        raise PaintingError(f"Unknown colours {unknown}; known: {', '.join(COLOURS)}.")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise PaintingError("Weights of colours must be 0 or more.")
    if sum(weight > 0 for weight in weights.values()) < 2:  # noqa: PLR2004
        raise PaintingError(
            "At least two colours need a weight above 0: the second is never the chromosome's own."
        )
