"""Embeddings for the benchmarks: of the development set where it is, drawn ones where it is not."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.classification.crops import canvases, labelled_crops
from benchmarks.generation.crops import CACHE, ordinary
from benchmarks.generation.generators import Eye, bridge
from models.classification.preprocessing import Preprocessing
from models.filtering.fit_types import FitData
from models.generation.sources import CanvasGenerator
from models.manifold.neighbours import NeighbourSearch
from models.simulation.painter import Painter

EMBEDDINGS = Path("var/benchmarks/embeddings.npz")
NUM_TRAINING, NUM_QUERIES, DIMENSIONS = 11_870, 31_507, 512
_MIXED_WITH = 5
_STREAM = 0xF17
_SOURCES_SEED = 5


@dataclass(frozen=True)
class Embedded:
    """N real crops as the shipped classifier sees them.

    Attributes
    ----------
    embeddings : (N, 512) float32
    labels : (N,) int64
        1 is an aberration.
    splits, slides, chromosomes : (N,) str
    canvases : (N, 3, 64, 64) uint8
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    slides: NDArray[np.str_]
    chromosomes: NDArray[np.str_]
    canvases: NDArray[np.uint8]

    def of(self, split: str) -> Embedded:
        """The crops of one split."""
        rows = self.splits == split
        return Embedded(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Synthetic:
    """N synthetic crops as the shipped classifier sees them.

    Attributes
    ----------
    canvases : (N, 3, 64, 64) uint8
    embeddings : (N, 512) float32
    """

    canvases: NDArray[np.uint8]
    embeddings: NDArray[np.float32]


def fit_data(train: Embedded, val: Embedded) -> FitData:
    """What a filter is fitted on; the last layer is the shipped classifier's."""
    weight, bias, temperature = Eye().head
    return FitData(
        train.embeddings,
        train.labels,
        train.slides.tolist(),
        val.embeddings,
        val.labels,
        weight,
        bias,
        temperature,
    )


def data_option(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the option that names the development set."""
    parser.add_argument(
        "--data",
        type=Path,
        required=required,
        help="the ADIR M-FISH development set" + ("" if required else "; drawn embeddings without it"),
    )


def real(data: Path, cache: Path = EMBEDDINGS) -> Embedded:
    """Embed every labelled crop of the development set with the shipped classifier; kept in `cache`."""
    if not cache.exists():
        crops = labelled_crops(data, CACHE)
        drawn = canvases(crops, Preprocessing(canvas_px=64, scale=1.6))
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            cache,
            embeddings=Eye().embeddings(drawn),
            labels=np.array([crop.label for crop in crops], np.int64),
            splits=np.array([crop.split for crop in crops]),
            slides=np.array([crop.slide for crop in crops]),
            chromosomes=np.array([crop.chromosome for crop in crops]),
            canvases=drawn,
        )
    with np.load(cache, allow_pickle=False) as arrays:
        return Embedded(**arrays)


def synthetic(data: Path, name: str, count: int) -> Synthetic:
    """Generate crops from normal training chromosomes and embed them; kept beside the real embeddings.

    Parameters
    ----------
    name
        ``bridge`` or ``painted``.
    """
    cache = EMBEDDINGS.with_name(f"synthetic_{name}_{count}.npz")
    if not cache.exists():
        generator: CanvasGenerator = bridge() if name == "bridge" else Painter()
        sources = ordinary(data, "train", count, seed=_SOURCES_SEED)
        canvases = generator.generate(sources)
        np.savez_compressed(cache, canvases=canvases, embeddings=Eye().embeddings(canvases))
    with np.load(cache, allow_pickle=False) as arrays:
        return Synthetic(**arrays)


def at_scale(
    data: Path | None, num_training: int = NUM_TRAINING, num_queries: int = NUM_QUERIES, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As many different rows as the paper has: to fit on, and to project.

    With the development set every row lies between a real embedding and one of its five nearest; training
    rows come from the training slides, the others from validation slides. Without, rows are drawn from
    twelve clouds whose spread falls off as that of real embeddings does.
    """
    rng = np.random.default_rng([_STREAM, seed])
    if data is None:
        centres = rng.normal(size=(12, DIMENSIONS)) * 3
        spread = np.arange(1, DIMENSIONS + 1) ** -0.5
        return _clouds(centres, spread, num_training, rng), _clouds(centres, spread, num_queries, rng)
    everything = real(data)
    return (
        _mixed(everything.of("train").embeddings, num_training, rng),
        _mixed(everything.of("val").embeddings, num_queries, rng),
    )


def _mixed(rows: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    near, _ = NeighbourSearch(rows).nearest(rows, _MIXED_WITH, excluded=np.arange(len(rows)))
    chosen = rng.integers(0, len(rows), count)
    other = near[chosen, rng.integers(0, _MIXED_WITH, count)]
    share = rng.uniform(0, 1, (count, 1)).astype(np.float32)
    return np.asarray(rows[chosen] + share * (rows[other] - rows[chosen]), np.float32)


def _clouds(
    centres: NDArray[np.float64], spread: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    chosen = centres[rng.integers(0, len(centres), count)]
    return np.asarray(chosen + rng.normal(size=(count, DIMENSIONS)) * spread, np.float32)
