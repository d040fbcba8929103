"""What will be painted on one crop: all that is drawn before the first pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.simulation.colours import CARRIES, COLOURS, PAINT_CHANNELS, PAINTED_SHARE, Colour, colour_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.simulation.painting import Painting, Range

_END_SHARE = 0.3  # of a short chromosome's length is kept free at either end
_SHARPEST_SHARE = 1 / 8  # of the length: a junction blurred more would leave no second colour
_DARKEST = 0.05  # ratio of dark to painted below which no source is dark enough
_WHITE = 255.0
_MIDDLE_SHARE = (0.25, 0.6)  # of what lies between the free ends: the middle one of three parts


@dataclass(frozen=True)
class PaintedTruth:
    """What was painted on one crop.

    Attributes
    ----------
    colours
        Of its two or three parts; the first is the chromosome's own, whatever was drawn for it where the
        source carries no fluorescence.
    positions
        Of the one or two junctions: fractions of the length, counted from the first part's end.
    angle_deg
        Between the junctions and a straight cut.
    sharpness_px
        Standard deviation of the blur between two colours.
    length_px
        Of the chromosome along its middle line.
    reversed
        Whether the first part's end is the one at `length_px` of the mask's axis instead of 0.
    """

    colours: tuple[Colour, ...]
    positions: tuple[float, ...]
    angle_deg: float
    sharpness_px: float
    length_px: float
    reversed: bool


@dataclass(frozen=True)
class Plan:
    """The truth, and how its paint shall look.

    Attributes
    ----------
    renewed : (parts, 2) bool
        Whether red and green of each part are painted anew, or kept from the source.
    levels : (parts, 2) float64
        Their median level where they are painted anew.
    ratios : (parts, 2) float64
        Factor on the source where they are kept.
    dapi_exponent : (2,) float64
        Of either channel.
    grain, own_grain, bleed, grain_scale : float
    shifts_px : (2, 2) float64
        Of either channel, (y, x).
    """

    truth: PaintedTruth
    renewed: NDArray[np.bool_]
    levels: NDArray[np.float64]
    ratios: NDArray[np.float64]
    dapi_exponent: NDArray[np.float64]
    grain: float
    own_grain: float
    bleed: float
    shifts_px: NDArray[np.float64]
    grain_scale: float = 1.0


def plan_of(
    levels: NDArray[np.float64], length_px: float, painting: Painting, rng: np.random.Generator
) -> Plan:
    """Draw what to paint.

    Parameters
    ----------
    levels : (3,) float64
        The crop's median levels.
    length_px
        Along its middle line.
    """
    own = colour_of(levels)
    positions = _positions(length_px, painting, rng)
    colours = _colours(own, len(positions) + 1, painting, rng)
    truth = PaintedTruth(
        colours=colours,
        positions=positions,
        angle_deg=float(rng.uniform(*painting.angle_deg)),
        sharpness_px=min(float(rng.uniform(*painting.sharpness_px)), max(length_px * _SHARPEST_SHARE, 0.1)),
        length_px=length_px,
        reversed=bool(rng.random() < 0.5),  # noqa: PLR2004
    )
    renewed = _renewed(own, colours)
    ratios = np.ones(renewed.shape)
    for part, colour in enumerate(colours[1:], 1):
        if colour != own:
            ratios[part] = rng.uniform(*painting.kept_ratio, PAINT_CHANNELS)
    return Plan(
        truth=truth,
        renewed=renewed,
        levels=_levels(levels, own, colours, painting, rng),
        ratios=ratios,
        dapi_exponent=rng.uniform(*painting.dapi_exponent, PAINT_CHANNELS),
        grain=float(rng.uniform(*painting.grain)),
        own_grain=float(rng.uniform(*painting.own_grain)),
        bleed=float(rng.uniform(*painting.bleed)),
        shifts_px=_shifts(painting.misregistration_px, rng),
        grain_scale=painting.grain_scale,
    )


def _positions(length_px: float, painting: Painting, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw one junction or two, as fractions of the length."""
    margin = min(painting.end_px / max(length_px, 1e-6), _END_SHARE)
    three_parts = rng.random() < painting.three_parts
    between = (1.0 - 2.0 * margin) * float(rng.uniform(*_MIDDLE_SHARE)) if three_parts else 0.0
    first = float(np.clip(rng.uniform(*painting.position), margin, 1.0 - margin - between))
    return (first, first + between) if three_parts else (first,)


def _colours(
    own: Colour | None, parts: int, painting: Painting, rng: np.random.Generator
) -> tuple[Colour, ...]:
    """Draw the colours of the parts: no two neighbours have the same one."""
    drawn = [own if own is not None else _other_colour((), painting, rng)]
    while len(drawn) < parts:
        drawn.append(_other_colour((drawn[-1],), painting, rng))
    return tuple(drawn)


def _other_colour(taken: Sequence[Colour], painting: Painting, rng: np.random.Generator) -> Colour:
    free = [colour for colour in COLOURS if colour not in taken]
    weights = np.array([painting.second_colours.get(colour, 0.0) for colour in free])
    return free[int(rng.choice(len(free), p=weights / weights.sum()))]


def _renewed(own: Colour | None, colours: Sequence[Colour]) -> NDArray[np.bool_]:
    """Tell which channels of which part differ from the source, (parts, 2)."""
    if own is None:
        return np.ones((len(colours), PAINT_CHANNELS), np.bool_)
    return np.asarray(np.array([CARRIES[colour] for colour in colours]) != np.array(CARRIES[own]))


def _levels(
    levels: NDArray[np.float64],
    own: Colour | None,
    colours: Sequence[Colour],
    painting: Painting,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw median levels of new paint and of what lacks it, (parts, 2)."""
    carried = np.array([CARRIES[colour] for colour in colours])
    painted = rng.uniform(*painting.painted_level, carried.shape)
    if own not in {None, "none"}:
        painted = levels[:PAINT_CHANNELS].max() * rng.uniform(*painting.paint_ratio, carried.shape)
    # Two paints on one part are both bright enough to be seen: yellow, not a greenish red.
    painted = np.maximum(painted, PAINTED_SHARE * painted.max(axis=1, keepdims=True))
    if own is None:
        faintest = np.where(carried, painted, np.inf).min(axis=0)
        beside = np.where(carried.any(axis=0), faintest, painted.min(axis=0))
    else:
        beside = levels[:PAINT_CHANNELS]
        # Paint that is hardly brighter than the own side without any would make no junction.
        own_dark = np.where(CARRIES[own], 0.0, beside)
        painted = np.maximum(painted, own_dark / max(painting.dark_ratio[1], _DARKEST))
        painted = np.maximum(painted, own_dark + painting.least_step)
    dark = beside * rng.uniform(*painting.dark_ratio, carried.shape)
    dark = np.clip(dark, 0.0, np.maximum(beside - painting.least_step, 0.0))
    return np.minimum(np.where(carried, painted, dark), _WHITE)


def _shifts(distance_px: Range, rng: np.random.Generator) -> NDArray[np.float64]:
    distance = rng.uniform(*distance_px, PAINT_CHANNELS)
    direction = rng.uniform(0.0, 2.0 * np.pi, PAINT_CHANNELS)
    return np.stack([distance * np.sin(direction), distance * np.cos(direction)], axis=1)
