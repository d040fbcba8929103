"""The painter: makes translocations of real normal chromosomes without any training.

It keeps a chromosome's own colour on one side of a cut across its middle line, and paints that of a
second chromosome on the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.generation.sources import DAPI, Sources
from models.simulation.axis import Axis, axis_of
from models.simulation.colours import CARRIES, PAINT_CHANNELS, body_of, levels_of
from models.simulation.painting import Painting, PaintingError, UnpaintableError
from models.simulation.plan import PaintedTruth, Plan, plan_of
from models.simulation.texture import grain_field, log_shape, own_grain

__all__ = ["PaintedTruth", "Painter", "Painting", "PaintingError", "UnpaintableError"]

_WHITE = 255
# Of channels without paint, relative to that of paint: 0.29 against 0.20 on the painted normals of the ADIR
# M-FISH training slides.
_DARK_GRAIN = 1.45
_Floats = NDArray[np.float64]


def _go_on() -> None:
    """Let the painter go on: what `check` does unless it is given."""


@dataclass(frozen=True)
class _Crop:
    """One source as the painter sees it; n counts the mask's pixels."""

    canvas: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    body: NDArray[np.bool_]
    levels: _Floats
    axis: Axis


class Painter:
    """Generates translocations by painting; see `Painting` for what it draws.

    Parameters
    ----------
    painting
        Ranges of everything that is drawn.
    """

    def __init__(self, painting: Painting | None = None) -> None:
        self.painting = painting if painting is not None else Painting()

    def generate(self, sources: Sources, check: Callable[[], None] = _go_on) -> NDArray[np.uint8]:
        """Paint a second chromosome's colour on every source.

        Parameters
        ----------
        sources
            Of normal chromosomes; one without any fluorescence gets two colours.
        check
            Called before every crop; what it raises stops the work.

        Returns
        -------
        (N, 3, S, S) uint8
            DAPI as in the source on the mask; all channels black off it.

        Raises
        ------
        UnpaintableError
            A mask is empty.
        """
        painted = np.zeros_like(sources.canvases)
        for index, rng in enumerate(sources.generators()):
            check()
            crop = _crop_of(sources, index)
            plan = plan_of(crop.levels, crop.axis.length_px, self.painting, rng)
            painted[index] = _paint(crop, plan, rng)
        return painted

    def describe(self, sources: Sources) -> list[PaintedTruth]:
        """Tell what `generate` paints on the same sources.

        Raises
        ------
        UnpaintableError
            A mask is empty.
        """
        truths = []
        for index, rng in enumerate(sources.generators()):
            crop = _crop_of(sources, index)
            truths.append(plan_of(crop.levels, crop.axis.length_px, self.painting, rng).truth)
        return truths


def _crop_of(sources: Sources, index: int) -> _Crop:
    canvas, mask = sources.canvases[index], sources.masks[index]
    if not mask.any():
        raise UnpaintableError(f"The mask of crop {sources.crop_ids[index]} is empty: nothing to paint on.")
    body = body_of(mask)
    return _Crop(canvas, mask, body, levels_of(canvas, body), axis_of(mask))


def _paint(crop: _Crop, plan: Plan, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint one crop, (3, S, S) uint8."""
    result = np.zeros_like(crop.canvas)
    result[DAPI, crop.mask] = crop.canvas[DAPI, crop.mask]
    grain = own_grain(crop.canvas, crop.mask, crop.body, crop.levels)
    if grain is None:
        # Red and green lie on the same chromatin: they have a grain in common where none was measured, too.
        grain = plan.grain * _field(crop, plan, rng)
    weights = [_weights(crop.axis, plan, shift) for shift in plan.shifts_px]
    new = [
        _new_sums(plan, channel, weights[channel], _fresh_paint(crop, plan, channel, grain, rng))
        for channel in range(PAINT_CHANNELS)
    ]
    for channel in range(PAINT_CHANNELS):
        source = crop.canvas[channel, crop.mask].astype(np.float64)
        kept = np.where(plan.renewed[:, channel], 0.0, plan.ratios[:, channel]) @ weights[channel]
        # Only paint bleeds into the other channel, darkness does not.
        values = kept * source + new[channel].sum(axis=0) + plan.bleed * new[1 - channel][1]
        result[channel, crop.mask] = np.rint(np.clip(values, 0, _WHITE)).astype(np.uint8)
    return result


def _weights(axis: Axis, plan: Plan, shift_px: _Floats) -> _Floats:
    """Share of each part in each pixel, (parts, n), of a channel that lies shifted; they add up to 1."""
    truth = plan.truth
    along = axis.along_px - axis.directions @ shift_px
    if truth.reversed:
        along = axis.length_px - along
    along = along + np.tan(np.deg2rad(truth.angle_deg)) * axis.across_px
    cuts = np.array(truth.positions)[:, None] * truth.length_px
    behind = ndtr((along - cuts) / truth.sharpness_px)
    edges = np.concatenate([np.ones((1, len(along))), behind, np.zeros((1, len(along)))])
    return np.asarray(edges[:-1] - edges[1:])


def _fresh_paint(crop: _Crop, plan: Plan, channel: int, grain: _Floats, rng: np.random.Generator) -> _Floats:
    """What one channel shows without and with new paint, of level 1, (2, n)."""
    share = plan.own_grain
    rough = share * grain + np.sqrt(1.0 - share**2) * float(grain.std()) * _field(crop, plan, rng)
    shape = log_shape(
        crop.canvas[DAPI],
        crop.mask,
        crop.levels[DAPI],
        plan.dapi_exponent[channel],
        plan.shifts_px[channel],
    )
    return np.asarray(np.exp(np.stack([shape + _DARK_GRAIN * rough, shape + rough])))


def _field(crop: _Crop, plan: Plan, rng: np.random.Generator) -> _Floats:
    """Draw grain of variance 1, (n,)."""
    return grain_field(crop.mask.shape[0], rng, plan.grain_scale)[crop.mask].astype(np.float64)


def _new_sums(plan: Plan, channel: int, weights: _Floats, fresh: _Floats) -> _Floats:
    """What is new in one channel, all parts together: darkness and paint, (2, n) grey levels."""
    carried = np.array([CARRIES[colour][channel] for colour in plan.truth.colours])
    levels = np.where(plan.renewed[:, channel], plan.levels[:, channel], 0.0)
    return np.asarray((np.stack([levels * ~carried, levels * carried]) @ weights) * fresh)
