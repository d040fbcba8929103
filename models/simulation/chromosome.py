"""A chromosome under DAPI, drawn from nothing: a bent body with two chromatids, bands and soft edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from models.simulation.karyotype import KARYOTYPE
from models.simulation.texture import grain_field

SCENE_PX = 128
_LONGEST_PX = 104.0  # so that a bent one with its soft edge lies within the scene
_Floats = NDArray[np.float64]

# All in image pixels, measured on 600 chromosomes of the ADIR M-FISH training slides. In brackets are the
# 5th, 50th and 95th percentile there, and of 300 that were drawn: lengths (19, 42, 80 and 17, 42, 77), widths
# (8.3, 11.8, 17.0 and 10.3, 12.4, 15.0), the angle between the most different directions of a middle line
# (0.01, 0.29, 1.5 and 0.00, 0.23, 0.95 radians), the narrowest place between the ends (medians of 0.83 and
# 0.88 of the width).
FIRST_PX = 80.0  # length of chromosome 1
_SHRINKING = 0.85  # exponent: blur and outline add to short ones as much as to long ones
_WIDTH_PX = 13.0
_LENGTH_SPREAD, _WIDTH_SPREAD = 0.10, 0.12  # of single chromosomes, as standard deviations of the logarithm
_BEND_RAD, _BEND_SPREAD = 0.42, 0.95  # median, and standard deviation of the logarithm
_MOST_BENT_RAD = 2.2
_KINKED_SHARE = 0.5  # of the chromosomes bend at the centromere, the others all along
_KINK_SHARE = 0.08  # of the length
_WAIST = (0.06, 0.24)  # how much narrower it is at the centromere
_WAIST_SHARE = 0.35  # of the width: how far a waist reaches
# Depth below the outline tells brightness: real ones rise from 0.69 of the median at 1 px to 1.26 at 6 px,
# drawn ones from 0.57 to 1.20. DAPI varies by 0.17 of its level within a real one, and by 0.12 within a drawn
# one; at 1, 2 and 4 px neighbours correlate by 0.86, 0.70 and 0.38 there, by 0.73, 0.51 and 0.20 here.
_FLAT_SHARE = 0.2
_BANDS = (0.08, 0.24)  # relative standard deviation
_BAND_SHARE = 0.6  # of the width: standard deviation of the blur that makes bands of noise
_GROOVE = (0.0, 0.3)  # how much darker it is between the chromatids
_GROOVE_SHARE = 0.11  # of the width
_APART_SHARE = 0.25  # of the chromosomes have chromatids that part towards an end
_APART = (0.1, 0.45)  # of the width
_BLUR_PX = (1.2, 2.0)
# An outline is drawn by people and networks where a chromosome has about half its brightness.
_OUTLINE = 0.42
_WANDERING = 0.08


@dataclass(frozen=True)
class Build:
    """How the chromosomes of one metaphase are built, relative to the usual ones.

    Attributes
    ----------
    length, width
        Factors; a metaphase that was stopped late has short and thick ones.
    blur_px
        Standard deviation of further blur, in image pixels.
    """

    length: float = 1.0
    width: float = 1.0
    blur_px: float = 0.0


@dataclass(frozen=True)
class Chromosome:
    """One chromosome in the middle of a scene.

    Attributes
    ----------
    name
        ``1`` to ``22``, ``X`` or ``Y``.
    dapi : (S, S) float64
        Brightness; the median on the mask is 1, off the mask it fades out.
    mask : (S, S) bool
    length_px, width_px, bend_rad
        As drawn: along the middle line, across, and by how much its direction changes.
    """

    name: str
    dapi: _Floats
    mask: NDArray[np.bool_]
    length_px: float
    width_px: float
    bend_rad: float


@dataclass(frozen=True)
class _Body:
    """A middle line (K, 2) of points (y, x) with its directions (K, 2) and half widths (K,), in pixels."""

    line: _Floats
    directions: _Floats
    half_px: _Floats
    apart_px: _Floats


def draw_chromosome(
    rng: np.random.Generator, build: Build | None = None, name: str | None = None
) -> Chromosome:
    """Draw one chromosome, turned at random.

    Parameters
    ----------
    build
        Of its metaphase.
    name
        Which one; None draws each of the 24 equally often.
    """
    build = build if build is not None else Build()
    name = name if name is not None else str(rng.choice(list(KARYOTYPE)))
    kind = KARYOTYPE[name]
    length = FIRST_PX * kind.relative_length**_SHRINKING * build.length
    length *= np.exp(_LENGTH_SPREAD * rng.standard_normal())
    width = _WIDTH_PX * build.width * np.exp(_WIDTH_SPREAD * rng.standard_normal())
    length = float(np.clip(length, 1.15 * width, _LONGEST_PX))
    bend = min(_BEND_RAD * float(np.exp(_BEND_SPREAD * rng.standard_normal())), _MOST_BENT_RAD)
    body = _body(rng, length, width, bend, kind.centromere)
    dapi, mask = _stained(rng, body, width, float(rng.uniform(*_BLUR_PX)) + build.blur_px)
    return Chromosome(name, dapi, mask, length, width, bend)


def _body(rng: np.random.Generator, length: float, width: float, bend: float, centromere: float) -> _Body:
    """Lay the middle line through the scene's middle, and give it a width."""
    # Round ends reach half a width beyond the line.
    straight = max(length - width, 1.0)
    count = int(2 * straight) + 2
    along = np.linspace(0.0, 1.0, count)
    place = (centromere * length - width / 2) / straight
    kinked = rng.random() < _KINKED_SHARE
    turned = 1.0 / (1.0 + np.exp(-(along - place) / _KINK_SHARE)) if kinked else along
    angle = rng.uniform(0, 2 * np.pi) + bend * (turned - turned.mean())
    directions = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    line = np.cumsum(directions, axis=0) * straight / (count - 1)
    line += (SCENE_PX - 1) / 2 - (line.max(axis=0) + line.min(axis=0)) / 2
    line += rng.uniform(-0.5, 0.5, 2)
    waist = rng.uniform(*_WAIST) * np.exp(-0.5 * ((along - place) * straight / (_WAIST_SHARE * width)) ** 2)
    parting = rng.random() < _APART_SHARE
    apart = width * rng.uniform(*_APART) * parting * np.clip(2 * np.abs(along - place) - 0.4, 0, 1)
    return _Body(line, directions, width / 2 * (1.0 - waist), apart)


def _stained(
    rng: np.random.Generator, body: _Body, width: float, blur_px: float
) -> tuple[_Floats, NDArray[np.bool_]]:
    """Brightness and mask, both (S, S)."""
    depth, nearest, across = _depth(body)
    half = body.half_px[nearest]
    dome = np.sqrt(np.clip(1.0 - (1.0 - np.clip(depth / half, 0.0, 1.0)) ** 2, 0.0, 1.0))
    inside = np.clip(depth + 0.5, 0.0, 1.0)
    bands = _bands(rng, len(body.line), width)[nearest]
    groove = rng.uniform(*_GROOVE) * np.exp(-0.5 * (across / (_GROOVE_SHARE * width)) ** 2)
    bright = inside * (_FLAT_SHARE + (1.0 - _FLAT_SHARE) * dome) * (1.0 + bands) * (1.0 - groove)
    dapi = cv2.GaussianBlur(bright, (0, 0), blur_px)
    # Nor is an outline drawn exactly: it wanders with what lies around.
    outline = _OUTLINE + _WANDERING * grain_field(SCENE_PX, rng)
    mask = _largest(dapi > outline * float(np.median(dapi[depth > 0])))
    return dapi / float(np.median(dapi[mask])), mask


def _depth(body: _Body) -> tuple[_Floats, NDArray[np.intp], _Floats]:
    """How deep below the outline, which point of the line is nearest, how far beside it: (S, S) each."""
    shape = (SCENE_PX, SCENE_PX)
    depth, nearest, across = np.full(shape, -float(SCENE_PX)), np.zeros(shape, np.intp), np.zeros(shape)
    reach = float((body.half_px + body.apart_px).max()) + 2.0
    low = np.maximum(np.floor(body.line.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(body.line.max(axis=0) + reach), SCENE_PX - 1).astype(int) + 1
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    grid = np.stack(
        np.meshgrid(*(np.arange(*ends) for ends in zip(low, high, strict=True)), indexing="ij"), 2
    )
    beside = np.stack([-body.directions[:, 1], body.directions[:, 0]], axis=1)
    half = body.half_px - body.apart_px / 4
    for sign in (-1.0, 1.0):
        # Two chromatids side by side are one body where nothing parts them.
        line = body.line + sign * body.apart_px[:, None] / 2 * beside
        squared = (grid[..., :1] - line[:, 0]) ** 2 + (grid[..., 1:] - line[:, 1]) ** 2
        depths = half - np.sqrt(squared)
        index = depths.argmax(axis=2)
        found = np.take_along_axis(depths, index[..., None], axis=2)[..., 0]
        better = found > depth[box]
        depth[box] = np.where(better, found, depth[box])
        nearest[box] = np.where(better, index, nearest[box])
        aside = ((grid - body.line[index]) * beside[index]).sum(axis=2)
        across[box] = np.where(better, aside, across[box])
    return depth, nearest, across


def _bands(rng: np.random.Generator, count: int, width: float) -> _Floats:
    """Relative brightness of (count,) points half a pixel apart, about 0."""
    noise = gaussian_filter1d(rng.standard_normal(count + 200), 2 * _BAND_SHARE * width)[100:-100]
    unit = np.sqrt(2 * np.sqrt(np.pi) * 2 * _BAND_SHARE * width)
    return np.asarray(np.clip(rng.uniform(*_BANDS) * unit * noise, -0.5, 0.5))


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest part of a mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:  # noqa: PLR2004 - the ground counts as one
        return mask
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))
