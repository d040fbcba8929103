"""How varied a set of crops is: colour pairs, places of the junction, likeness to each other.

The same is measured of real aberrations, as many as there are synthetic ones: with more crops a nearest
neighbour is nearer whatever made them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quality.reading import COLOURS, Reading
from models.quality.ssim import max_ssim_among, ssim_of_pairs
from models.quality.stopping import Check, never_stop

PAIRS = tuple(f"{a} + {b}" for i, a in enumerate(COLOURS) for b in COLOURS[i + 1 :])
POSITION_EDGES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
COLLAPSED_PAIR_SHARE = 0.8
COLLAPSED_DISTANCE = 0.5  # of the real crops' median distance to each other


@dataclass(frozen=True)
class Diversity:
    """What is measured of one set of N crops.

    Attributes
    ----------
    pairs : 6 counts
        Two-coloured crops by their pair, in the order of `PAIRS`.
    uniform : 4 counts
        Crops without a junction, in the order of `COLOURS`.
    positions : (6,) int64
        Two-coloured crops by where the junction lies, between `POSITION_EDGES`.
    nearest_other : (K,) float64
        1 - SSIM of K crops and the most similar one of another name.
    same_source : (J,) float64
        1 - SSIM of the first two crops of each name that has several: what chance alone changes.
    """

    pairs: tuple[int, ...]
    uniform: tuple[int, ...]
    positions: NDArray[np.int64]
    nearest_other: NDArray[np.float64]
    same_source: NDArray[np.float64]

    @property
    def commonest_pair(self) -> tuple[str, float] | None:
        """The pair that most two-coloured crops carry, and their share; None where there is no such crop."""
        total = sum(self.pairs)
        best = int(np.argmax(self.pairs))
        return (PAIRS[best], self.pairs[best] / total) if total else None

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers; what is undefined is None."""
        total, uniform = sum(self.pairs), sum(self.uniform)
        commonest = self.commonest_pair
        return {
            "two_coloured_share": total / (total + uniform) if total + uniform else None,
            "pairs": dict(zip(PAIRS, self.pairs, strict=True)),
            "pairs_covered": sum(count > 0 for count in self.pairs),
            "effective_pairs": effective_number(self.pairs),
            "commonest_pair": None if commonest is None else {"pair": commonest[0], "share": commonest[1]},
            "uniform": dict(zip(COLOURS, self.uniform, strict=True)),
            "positions": {
                "edges": list(POSITION_EDGES),
                "counts": self.positions.tolist(),
                "effective": effective_number(self.positions.tolist()),
            },
            "distance_to_nearest_other": _median(self.nearest_other),
            "distance_within_source": _median(self.same_source),
        }


def diversity(
    canvases: NDArray[np.uint8],
    names: Sequence[str],
    reading: Reading,
    *,
    compared: NDArray[np.int64],
    check: Check = never_stop,
) -> Diversity:
    """Measure how varied N crops are.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
    names : (N,)
        Of their sources, or chromosomes: two of one name are never called neighbours.
    reading
        Of the N canvases.
    compared : (K,) int64
        Rows that are compared with each other.
    """
    counted = Counter(reading.pairs)
    places = np.clip(reading.positions[reading.two_coloured], POSITION_EDGES[0], POSITION_EDGES[-1])
    near = max_ssim_among(canvases[compared], [names[row] for row in compared], check=check)
    firsts, seconds = _first_two(names)
    return Diversity(
        pairs=tuple(counted[name] for name in PAIRS),
        uniform=tuple(counted[name] for name in COLOURS),
        positions=np.histogram(places, POSITION_EDGES)[0].astype(np.int64),
        nearest_other=1.0 - near.values[near.nearest >= 0],
        same_source=1.0 - ssim_of_pairs(canvases[firsts], canvases[seconds]),
    )


def effective_number(counts: Sequence[int]) -> float:
    """Exp of the entropy: how many equally frequent kinds would be as varied; 0 of nothing."""
    shares = np.array([count for count in counts if count > 0], np.float64)
    if shares.size == 0:
        return 0.0
    shares /= shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def signs_of_collapse(generated: Diversity, real: Diversity) -> list[str]:
    """Sentences about what makes a set poorer than the real one; none where nothing does."""
    signs = []
    commonest = generated.commonest_pair
    usual = real.commonest_pair
    if commonest is not None and commonest[1] >= max(COLLAPSED_PAIR_SHARE, usual[1] if usual else 0.0):
        signs.append(f"{commonest[1]:.0%} of the two-coloured samples carry one pair, {commonest[0]}.")
    near, usually = _median(generated.nearest_other), _median(real.nearest_other)
    if near is not None and usually is not None and near < COLLAPSED_DISTANCE * usually:
        signs.append(
            f"Samples of different sources are alike: the median distance to the nearest other one is "
            f"{near:.3f}, that of real aberrations {usually:.3f}."
        )
    total, uniform = sum(generated.pairs), sum(generated.uniform)
    real_total, real_uniform = sum(real.pairs), sum(real.uniform)
    if uniform > total and real_total > real_uniform:
        signs.append(f"In {uniform / (total + uniform):.0%} of the samples no junction is read.")
    return signs


def _first_two(names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the first and the second crop of each name that has several."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    several = [found for found in rows.values() if len(found) > 1]
    return (
        np.array([found[0] for found in several], np.int64),
        np.array([found[1] for found in several], np.int64),
    )


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if values.size else None
