"""How hard simulated crops are to tell apart: every knob with its unit and limits, and three presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Final

from models.simulation.painting import Range

# Lower and upper limit of what a knob may say.
_LIMITS: Final[Mapping[str, Range]] = MappingProxyType(
    {
        "bleed_through": (0.0, 1.0),
        "noise": (0.0, 100.0),
        "junction": (0.0, 1.0),
        "dark_ratio": (0.0, 0.9),
        "overlap": (0.0, 1.0),
        "overlap_share": (0.0, 0.6),
        "blur_px": (0.0, 8.0),
        "slide_spread": (0.0, 3.0),
    }
)
_RANGES: Final = ("junction", "dark_ratio", "overlap_share")


class DifficultyError(ValueError):
    """A difficulty that nothing can be simulated with."""

    code: ClassVar[str] = "difficulty_unusable"
    title: ClassVar[str] = "Nothing can be simulated with this difficulty"


@dataclass(frozen=True)
class Difficulty:
    """What makes a two-coloured chromosome hard to tell from a chromosome of one colour.

    The defaults are those of ``medium``. Levels are grey levels (0 to 255), lengths image pixels.

    Attributes
    ----------
    bleed_through
        Share of red that is seen in green, and of green in red, of normals and aberrations alike.
    noise
        Standard deviation of the camera's noise.
    junction
        Range of a junction's place, as a share of the length counted from the chromosome's own end: the
        nearer to 0 or 1, the smaller the piece of another colour.
    dark_ratio
        Range of a channel's level without paint, relative to its level with it: the higher, the less
        contrast there is between two colours.
    overlap
        Probability that a second chromosome of another colour lies partly on the crop's own. A normal
        looks two-coloured then.
    overlap_share
        Range of the share of the mask that it covers.
    blur_px
        Standard deviation of a blur of the whole picture, besides that of every chromosome.
    slide_spread
        How much slides differ in stain, build and blur: 0 not at all, 1 as the real ones do.
    """

    bleed_through: float = 0.1
    noise: float = 6.0
    junction: Range = (0.15, 0.85)
    dark_ratio: Range = (0.1, 0.45)
    overlap: float = 0.1
    overlap_share: Range = (0.05, 0.2)
    blur_px: float = 0.4
    slide_spread: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values that nothing can be simulated with."""
        for name, limits in _LIMITS.items():
            _check(name, getattr(self, name), limits)

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        stored = asdict(self)
        return stored | {name: list(stored[name]) for name in _RANGES}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Difficulty:
        """Read what `to_json` wrote; what is not named keeps its default.

        Raises
        ------
        DifficultyError
            A knob is unknown or out of its limits.
        """
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(stored) - set(known))
        if unknown:
            raise DifficultyError(f"Unknown knobs {unknown}; known: {', '.join(known)}.")
        return cls(**{name: _read(name, value) for name, value in stored.items()})


def _read(name: str, value: Any) -> Any:
    try:
        if name in _RANGES:
            low, high = value
            return (float(low), float(high))
        return float(value)
    except (TypeError, ValueError) as error:
        raise DifficultyError(f"{name} cannot be {value!r}: {error}.") from error


def _check(name: str, given: float | Range, limits: Range) -> None:
    low, high = given if isinstance(given, tuple) else (given, given)
    if not (math.isfinite(low) and math.isfinite(high) and limits[0] <= low <= high <= limits[1]):
        kind = "a range (low, high)" if name in _RANGES else "a number"
        raise DifficultyError(f"{name} must be {kind} within {limits[0]:g} to {limits[1]:g}, not {given}.")


PRESETS: Final[Mapping[str, Difficulty]] = MappingProxyType(
    {
        "easy": Difficulty(
            bleed_through=0.0,
            noise=2.0,
            junction=(0.35, 0.65),
            dark_ratio=(0.05, 0.2),
            overlap=0.0,
            blur_px=0.0,
            slide_spread=0.5,
        ),
        "medium": Difficulty(),
        "hard": Difficulty(
            bleed_through=0.25,
            noise=14.0,
            junction=(0.05, 0.95),
            dark_ratio=(0.25, 0.65),
            overlap=0.3,
            overlap_share=(0.05, 0.35),
            blur_px=1.0,
            slide_spread=1.5,
        ),
    }
)
