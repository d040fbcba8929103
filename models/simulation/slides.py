"""What the chromosomes of one simulated slide have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.generation.sources import generator_of
from models.simulation.chromosome import Build
from models.simulation.colours import Colour
from models.simulation.difficulty import Difficulty

# Standard deviations of logarithms between the medians of the 7 ADIR M-FISH training slides: of lengths
# 0.18, of widths 0.14; of levels, once they are told by image, 0.09 in DAPI (0.28 before) and 0.06 in paint.
_LENGTH, _WIDTH, _GAIN = 0.18, 0.13, 0.08
_BLUR_PX = 0.5
PAINTS: Final[tuple[Colour, ...]] = ("red", "green", "yellow")
_COLOUR_EVENNESS = 3.0  # of the Dirichlet distribution that slides draw their colours' shares from


@dataclass(frozen=True)
class Slide:
    """One slide.

    Attributes
    ----------
    build
        Of its chromosomes.
    gains
        Factors on the levels of red, green and DAPI.
    colours
        Shares of the normal chromosomes that are red, green and yellow; they add up to 1.
    """

    build: Build
    gains: tuple[float, float, float]
    colours: tuple[float, float, float]

    def colour(self, rng: np.random.Generator) -> Colour:
        """Draw a normal chromosome's colour."""
        return PAINTS[int(rng.choice(len(PAINTS), p=self.colours))]


def slide_of(name: str, difficulty: Difficulty, seed: int) -> Slide:
    """Draw a slide; the same name, difficulty and seed give the same one.

    Parameters
    ----------
    difficulty
        Says how much slides differ.
    """
    rng = generator_of(seed, f"slide {name}", 0)
    spread = difficulty.slide_spread
    length, width = np.exp(spread * np.array([_LENGTH, _WIDTH]) * rng.standard_normal(2))
    red, green, dapi = np.exp(spread * _GAIN * rng.standard_normal(3))
    drawn = rng.dirichlet([_COLOUR_EVENNESS] * len(PAINTS))
    even = min(spread, 1.0)
    shares = (1.0 - even) / len(PAINTS) + even * drawn
    blur = spread * _BLUR_PX * float(rng.random())
    colours = (float(shares[0]), float(shares[1]), float(1.0 - shares[0] - shares[1]))
    return Slide(Build(float(length), float(width), blur), (float(red), float(green), float(dapi)), colours)
