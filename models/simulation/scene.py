"""Simulated crops with their ground truth: normals of one colour, translocations of two, DAPI alone.

Every crop has a random generator of its own, made from seed, slide, class and number, so that it does not
depend on what else is simulated. None of it is a real chromosome: nothing that learns from these crops
alone is fit for samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from models.generation.sources import DAPI, Sources, generator_of
from models.simulation.chromosome import SCENE_PX, Chromosome, draw_chromosome
from models.simulation.colours import CARRIES, PAINT_CHANNELS, Colour, body_of
from models.simulation.difficulty import Difficulty
from models.simulation.neighbours import lay_over
from models.simulation.painter import Painter
from models.simulation.painting import Painting
from models.simulation.plan import PaintedTruth
from models.simulation.slides import PAINTS, Slide, slide_of
from models.simulation.texture import grain_field, log_shape

CropClass = Literal["normal", "aberration", "unlabelled"]
CROP_CLASSES: tuple[CropClass, ...] = get_args(CropClass)

MARGIN_PX = 4
# The painter's lengths were measured on canvases of 1.6 pixels per image pixel.
IMAGE_SCALE = 1 / 1.6
_WHITE = 255.0
_DAPI_LEVEL = (120.0, 225.0)
_PAINT_LEVEL = (130.0, 235.0)
_SECOND_SHARE = (0.7, 1.0)  # of the fainter paint, where there are two
_GRAIN = (0.13, 0.3)  # relative standard deviation of paint, as the painter's
_SHARED = 0.8  # of the grain, by red and green
_DAPI_NOISE = 0.5  # of the paint's: DAPI is exposed longer
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CropTruth:
    """What was simulated in one crop.

    Attributes
    ----------
    chromosome
        ``1`` to ``22``, ``X`` or ``Y``.
    length_px
        Of the chromosome, in image pixels.
    colour
        Of a normal, or of an aberration's own side; ``none`` of an unlabelled crop.
    painted
        Of an aberration: its colours and junctions.
    overlap_share
        Share of the mask that a chromosome of another colour lies on.
    """

    chromosome: str
    length_px: float
    colour: Colour
    painted: PaintedTruth | None = None
    overlap_share: float = 0.0


@dataclass(frozen=True)
class SimulatedCrop:
    """One crop as an import would bring it.

    Attributes
    ----------
    crop_id
        ``slide/class/number``.
    pixels : (3, h, w) uint8
        Red, green, DAPI; black off the mask. Unlabelled crops have DAPI alone.
    mask : (h, w) bool
    """

    crop_id: str
    slide: str
    crop_class: CropClass
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    truth: CropTruth


@dataclass(frozen=True)
class SlideCounts:
    """How many crops of each class one slide has."""

    normal: int = 0
    aberration: int = 0
    unlabelled: int = 0


@dataclass(frozen=True)
class Simulator:
    """Simulates crops one by one; see `Difficulty` for what makes them hard.

    Attributes
    ----------
    seed
        The same seed gives the same crops.
    painting
        What aberrations look like besides what the difficulty says, in image pixels.
    """

    difficulty: Difficulty = field(default_factory=Difficulty)
    seed: int = 0
    painting: Painting = field(default_factory=lambda: Painting().scaled(IMAGE_SCALE))

    def crop(self, slide: str, crop_class: CropClass, number: int) -> SimulatedCrop:
        """Simulate one crop.

        Parameters
        ----------
        slide
            Name of its slide, whose stain and build it shares.
        number
            0, 1, … tells the crops of one class and slide apart.
        """
        crop_id = f"{slide}/{crop_class}/{number}"
        rng = generator_of(self.seed, crop_id, 0)
        ground = _slide(slide, self.difficulty, self.seed)
        own = draw_chromosome(rng, ground.build)
        if crop_class == "unlabelled":
            scene = _stain(own, "none", ground, self.difficulty, rng)
            scene[:PAINT_CHANNELS] = 0.0
            truth = CropTruth(own.name, own.length_px, "none")
        else:
            scene, truth = self._coloured(own, crop_class, crop_id, ground, rng)
        picture = _photographed(scene, own.mask, self.difficulty, rng, coloured=crop_class != "unlabelled")
        cut = _window(own.mask)
        return SimulatedCrop(crop_id, slide, crop_class, picture[:, *cut], own.mask[cut], truth)

    def crops(
        self, counts: Mapping[str, SlideCounts], check: Callable[[], None] = lambda: None
    ) -> Iterator[SimulatedCrop]:
        """Simulate the crops of some slides, one after the other.

        Parameters
        ----------
        counts
            By slide.
        check
            Called before every crop; what it raises stops the work.
        """
        for slide, wanted in counts.items():
            for crop_class in CROP_CLASSES:
                for number in range(getattr(wanted, crop_class)):
                    check()
                    yield self.crop(slide, crop_class, number)

    def _coloured(
        self,
        own: Chromosome,
        crop_class: CropClass,
        crop_id: str,
        ground: Slide,
        rng: np.random.Generator,
    ) -> tuple[_Floats, CropTruth]:
        """Paint a chromosome, and lay a neighbour over some."""
        colour = ground.colour(rng)
        scene = _stain(own, colour, ground, self.difficulty, rng)
        truth = CropTruth(own.name, own.length_px, colour)
        if crop_class == "aberration":
            scene, painted = self._translocated(scene, own.mask, crop_id)
            truth = replace(truth, colour=painted.colours[0], painted=painted)
        if rng.random() < self.difficulty.overlap:
            others = [one for one in PAINTS if one != colour]
            other = others[int(rng.integers(len(others)))]
            neighbour = draw_chromosome(rng, ground.build)
            laid = _stain(neighbour, other, ground, self.difficulty, rng)
            wanted = float(rng.uniform(*self.difficulty.overlap_share))
            scene, share = lay_over(scene, own.mask, laid, neighbour.mask, share=wanted, rng=rng)
            truth = replace(truth, overlap_share=share)
        return scene, truth

    def _translocated(
        self, scene: _Floats, mask: NDArray[np.bool_], crop_id: str
    ) -> tuple[_Floats, PaintedTruth]:
        """Paint a second colour with the painter that studies generate with."""
        hard = self.difficulty
        painting = replace(
            self.painting,
            position=hard.junction,
            dark_ratio=hard.dark_ratio,
            three_parts=0.0,
            bleed=(0.0, 0.0),
        )
        canvas = np.rint(np.clip(scene, 0, _WHITE)).astype(np.uint8)
        sources = Sources(canvas[None], mask[None], [crop_id], [1], self.seed)
        painter = Painter(painting)
        painted = painter.generate(sources)[0].astype(np.float64)
        # Off the mask the painter leaves black; the stain there is what blurs into the rim.
        return np.where(mask, painted, scene), painter.describe(sources)[0]


@lru_cache(maxsize=256)
def _slide(name: str, difficulty: Difficulty, seed: int) -> Slide:
    return slide_of(name, difficulty, seed)


def _stain(
    own: Chromosome, colour: Colour, ground: Slide, difficulty: Difficulty, rng: np.random.Generator
) -> _Floats:
    """Colour a chromosome evenly: (3, S, S) grey levels, fading off the mask."""
    red, green, dapi = ground.gains
    scene = np.zeros((DAPI + 1, SCENE_PX, SCENE_PX))
    scene[DAPI] = np.clip(own.dapi * rng.uniform(*_DAPI_LEVEL) * dapi, 0, _WHITE)
    level = rng.uniform(*_PAINT_LEVEL) * np.array([red, green])
    if colour == "yellow":
        level[int(rng.integers(PAINT_CHANNELS))] *= rng.uniform(*_SECOND_SHARE)
    dark = level * rng.uniform(*difficulty.dark_ratio, PAINT_CHANNELS)
    levels = np.where(CARRIES[colour], level, dark)
    everywhere = np.ones(own.mask.shape, np.bool_)
    grey = np.rint(scene[DAPI]).astype(np.uint8)
    middle = float(np.median(grey[body_of(own.mask)]))
    spread = rng.uniform(*_GRAIN)
    shared = grain_field(SCENE_PX, rng, IMAGE_SCALE)
    for channel in range(PAINT_CHANNELS):
        alone = grain_field(SCENE_PX, rng, IMAGE_SCALE)
        grain = (spread * (_SHARED * shared + np.sqrt(1.0 - _SHARED**2) * alone)).astype(np.float64).ravel()
        exponent = float(rng.uniform(0.0, 1.0))
        shape = log_shape(grey, everywhere, middle, exponent, np.zeros(2))
        scene[channel] = levels[channel] * np.exp(shape + grain).reshape(own.mask.shape)
    return scene


def _photographed(
    scene: _Floats,
    mask: NDArray[np.bool_],
    difficulty: Difficulty,
    rng: np.random.Generator,
    *,
    coloured: bool,
) -> NDArray[np.uint8]:
    """Let colours bleed, blur and add the camera's noise: (3, S, S) uint8, black off the mask."""
    seen = scene.copy()
    seen[0] += difficulty.bleed_through * scene[1]
    seen[1] += difficulty.bleed_through * scene[0]
    if difficulty.blur_px > 0:
        seen = np.stack([cv2.GaussianBlur(plane, (0, 0), difficulty.blur_px) for plane in seen])
    noise = difficulty.noise * rng.standard_normal(scene.shape)
    noise[DAPI] *= _DAPI_NOISE
    seen = np.rint(np.clip(seen + noise, 0, _WHITE)).astype(np.uint8) * mask
    if not coloured:
        seen[:PAINT_CHANNELS] = 0
    return np.asarray(seen)


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - MARGIN_PX, 0), int(rows[-1]) + MARGIN_PX + 1),
        slice(max(int(cols[0]) - MARGIN_PX, 0), int(cols[-1]) + MARGIN_PX + 1),
    )
