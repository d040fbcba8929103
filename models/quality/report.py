"""Everything that is measured of a set of synthetic crops against the real ones, in one call."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.quality.distances import (
    NEIGHBOURS,
    frechet_distance,
    kernel_distance,
    nearest_other,
    neighbourhood,
)
from models.quality.diversity import Diversity, diversity, signs_of_collapse
from models.quality.histograms import Histograms, histograms
from models.quality.memorisation import Memorisation, memorisation
from models.quality.reading import Reading, read_colours
from models.quality.ssim import MaxSsim, max_ssim, max_ssim_among
from models.quality.stopping import Check, never_stop

MAX_CROPS = 2000
MAX_COMPARED = 400  # crops of a set that are compared with each other
_MIN_EMBEDDED = 2 * (NEIGHBOURS + 1)  # a half of the real ones must still have its neighbours
_QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class CropSet:
    """Crops of one kind.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
        Red, green, DAPI.
    masks : (N, S, S) bool
    ids : (N,)
        Of synthetic crops: of the crop each was made from. Of real ones: their own.
    names : (N,)
        Of real ones: of their chromosomes, where one may be there in several pictures.
    embeddings : (N, D) float32 or None
        The classifier's.
    """

    canvases: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    ids: Sequence[str]
    names: Sequence[str] | None = None
    embeddings: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse parts that are not of the same N crops."""
        parts = [self.masks, self.ids, *(part for part in (self.names, self.embeddings) if part is not None)]
        if any(len(part) != len(self.canvases) for part in parts):
            raise ValueError("Canvases, masks, ids, names and embeddings must be of the same N crops.")

    def __len__(self) -> int:
        """Return N."""
        return len(self.canvases)

    def take(self, rows: NDArray[np.int64]) -> CropSet:
        """Return some of the crops."""
        return CropSet(
            self.canvases[rows],
            self.masks[rows],
            [self.ids[row] for row in rows],
            None if self.names is None else [self.names[row] for row in rows],
            None if self.embeddings is None else self.embeddings[rows],
        )


@dataclass(frozen=True)
class Embedded:
    """Figures on the classifier's embeddings. A yardstick is the same between two halves of the real crops.

    `distance_to_nearest_other` is Euclidean, and taken of as many synthetic as real crops.
    """

    dimensions: int
    frechet_distance: float
    kernel_distance: dict[str, float]
    neighbours: dict[str, float]
    yardstick: dict[str, Any]
    distance_to_nearest_other: dict[str, float]


@dataclass(frozen=True)
class QualityReport:
    """All figures of a set of synthetic crops.

    Attributes
    ----------
    rows, real_rows : (n,), (m,) int64
        Crops that were looked at; what follows has their order.
    """

    num_generated: int
    num_real: int
    rows: NDArray[np.int64]
    real_rows: NDArray[np.int64]
    ssim: MaxSsim
    real_ssim: MaxSsim
    copies: Memorisation
    generated_reading: Reading
    generated_diversity: Diversity
    real_diversity: Diversity
    histograms: Histograms
    embedded: Embedded | None

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers; what is undefined is None."""
        return {
            "generated": {"total": self.num_generated, "looked_at": len(self.rows)},
            "real": {"total": self.num_real, "looked_at": len(self.real_rows)},
            "max_ssim": {
                "generated": _summary(self.ssim.values),
                "real": _summary(self.real_ssim.values),
            },
            "memorisation": self.copies.shares(),
            "embeddings": None if self.embedded is None else _plain(asdict(self.embedded)),
            "diversity": {
                "generated": self.generated_diversity.to_json(),
                "real": self.real_diversity.to_json(),
            },
            "wasserstein": self.histograms.distances(),
            "signs_of_collapse": signs_of_collapse(self.generated_diversity, self.real_diversity),
        }


def quality_report(
    generated: CropSet,
    real: CropSet,
    *,
    seed: int,
    max_generated: int = MAX_CROPS,
    max_real: int = MAX_CROPS,
    check: Check = never_stop,
) -> QualityReport:
    """Measure a set of synthetic crops against the real ones that their generator learned from.

    Parameters
    ----------
    generated, real
        Of one canvas size.
    seed
        Of the choice of crops and of resampling.
    max_generated, max_real
        Of more crops some are chosen; which ones does not depend on their order.
    check
        Called now and then; may raise to stop.

    Raises
    ------
    ValueError
        One of both is empty, or they differ in canvas size.
    """
    if not len(generated) or not len(real):
        raise ValueError(f"{len(generated)} synthetic and {len(real)} real crops cannot be compared.")
    rows, real_rows = chosen(generated, max_generated, seed), chosen(real, max_real, seed)
    some, reference = generated.take(rows), real.take(real_rows)
    names = reference.ids if reference.names is None else reference.names
    reading = read_colours(some.canvases, some.masks, check=check)
    real_reading = read_colours(reference.canvases, reference.masks, check=check)
    alike = np.arange(min(len(some), len(reference), MAX_COMPARED))
    return QualityReport(
        num_generated=len(generated),
        num_real=len(real),
        rows=rows,
        real_rows=real_rows,
        ssim=max_ssim(some.canvases, reference.canvases, check=check),
        real_ssim=max_ssim_among(reference.canvases, names, check=check),
        copies=memorisation(
            (some.canvases, some.masks),
            some.ids,
            (reference.canvases, reference.masks),
            reference.ids,
            real_names=names,
            check=check,
        ),
        generated_reading=reading,
        generated_diversity=diversity(some.canvases, some.ids, reading, compared=alike, check=check),
        real_diversity=diversity(reference.canvases, names, real_reading, compared=alike, check=check),
        histograms=histograms((some.canvases, some.masks), (reference.canvases, reference.masks)),
        embedded=_embedded(some.embeddings, reference.embeddings, seed, check),
    )


def chosen(crops: CropSet, limit: int, seed: int) -> NDArray[np.int64]:
    """Choose at most `limit` crops by what they are, so that their order does not matter.

    Returns
    -------
    (n,) int64
        Rows in a random order that is the same whatever order the crops came in.
    """
    digests = [
        hashlib.sha256(f"{seed}:{name}:".encode() + canvas.tobytes()).digest()
        for name, canvas in zip(crops.ids, crops.canvases, strict=True)
    ]
    return np.array(sorted(range(len(crops)), key=digests.__getitem__)[:limit], np.int64)


def _embedded(
    generated: NDArray[np.float32] | None, real: NDArray[np.float32] | None, seed: int, check: Check
) -> Embedded | None:
    """Figures on embeddings; None without them, or with too few."""
    if generated is None or real is None or min(len(generated), len(real)) < _MIN_EMBEDDED:
        return None
    check()
    # The rows lie in random order: halves need no further draw.
    half, rest = real[::2], real[1::2]
    alike = min(len(generated), len(real))
    check()
    return Embedded(
        dimensions=real.shape[1],
        frechet_distance=frechet_distance(generated, real),
        kernel_distance=asdict(kernel_distance(generated, real, seed=seed)),
        neighbours=asdict(neighbourhood(generated, real)),
        yardstick={
            "rows": [len(half), len(rest)],
            "frechet_distance": frechet_distance(half, rest),
            "kernel_distance": asdict(kernel_distance(half, rest, seed=seed)),
            "neighbours": asdict(neighbourhood(half, rest)),
        },
        distance_to_nearest_other={
            "generated": float(np.median(nearest_other(generated[:alike]))),
            "real": float(np.median(nearest_other(real[:alike]))),
        },
    )


def _summary(values: NDArray[np.float64]) -> dict[str, float] | None:
    """Mean and quantiles of what is known."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return None
    quantiles = np.percentile(known, _QUANTILES)
    return {"mean": float(known.mean())} | {
        f"p{name:02d}": float(value) for name, value in zip(_QUANTILES, quantiles, strict=True)
    }


def _plain(value: Any) -> Any:
    """NaN as None, at any depth: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
