"""Whether a training collapsed, told from its curves.

A CycleGAN fails in two ways. Its discriminator of colours may win: it tells every generated picture
from a real one, and the generator learns nothing from it any more. Or the generator may find one
painting that always passes, and give every chromosome the same colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.generation.sources import DAPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MIN_RECORDS = 8  # of fewer, the end cannot be told from the beginning
# Measured on 233 real aberrations at 32 px. Where the generators were held back until the discriminator
# won, it judged 0.98 to 1.00 and 0.00 to 0.02, at a loss of 0.01 to 0.04. In fair trainings the judgements
# lay 0.65 apart at most, at a loss of 0.07 or more.
_WON_MARGIN = 0.8
_WON_LOSS = 0.05
# Generators that painted all chromosomes alike reached 0.06 to 0.14 where one could see it at once, and
# 0.28 where all were grey; the real colours dealt out to other chromosomes reach 0.94.
_POOR_DIVERSITY = 0.3
_LEAST_SPREAD = 0.005  # below it, real colours are alike themselves; those of aberrations have 0.1
_LEAST_LIGHT = 1e-6


def colour_spread(canvases: NDArray[np.uint8], bodies: NDArray[np.bool_]) -> float:
    """How much the colours of a set of chromosomes differ, whatever their shapes and brightness.

    It is the standard deviation over chromosomes of red's and of green's share of their light, the
    mean of both. A spread of single pixels would take coloured edges and the chequered patterns of
    young generators for diversity.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, DAPI.
    bodies : (N, S, S) bool
        Where the chromosomes lie.

    Returns
    -------
    float
        From 0, all alike, to 0.5.
    """
    light = (canvases * bodies[:, None]).sum(axis=(2, 3), dtype=np.float64)
    shares = light[:, :DAPI] / np.maximum(light.sum(axis=1, keepdims=True), _LEAST_LIGHT)
    return float(shares.std(axis=0).mean())


def relative_diversity(generated: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Spread of generated colours in units of the real ones' spread: 1 is as diverse as real.

    Parameters
    ----------
    generated, real : (N, 3, S, S) uint8
        `generated` was made from the DAPI of `real`, which says where the chromosomes lie.

    Returns
    -------
    float
        1 also where the real ones are all alike: there is no diversity that could be lost.
    """
    bodies = real[:, DAPI] > 0
    wanted = colour_spread(real, bodies)
    return colour_spread(generated, bodies) / wanted if wanted > _LEAST_SPREAD else 1.0


def collapse_of(history: Sequence[dict[str, float]]) -> str | None:
    """Say in one sentence how a training collapsed, or None if it did not.

    Judged is the last quarter of the records, by medians, so that neither the warm-up nor one bad
    batch counts. A discriminator won if its mean judgements lie more than 0.8 apart at a loss below
    0.05; a generator paints alike if its diversity is below 0.3 of the real one.

    Parameters
    ----------
    history
        Of `CycleganTrainer`.
    """
    if len(history) < _MIN_RECORDS:
        return None
    end = history[-(len(history) // 4) :]
    real, generated, loss, diversity = (
        float(np.median([record[name] for record in end]))
        for name in (
            "discriminator_real_b",
            "discriminator_fake_b",
            "loss_discriminator_b",
            "generated_diversity",
        )
    )
    found = []
    if real - generated > _WON_MARGIN and loss < _WON_LOSS:
        found.append(
            f"the discriminator of colours won: it judges {real:.2f} of real and {generated:.2f} of "
            "generated pictures, where 0.5 of both would be a draw"
        )
    if diversity < _POOR_DIVERSITY:
        found.append(
            f"the generator paints alike: its colours differ {diversity:.2f} times as much as real ones"
        )
    if not found:
        return None
    sentence = "; ".join(found)
    return f"{sentence[0].upper()}{sentence[1:]}."
