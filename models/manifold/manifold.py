"""A fitted map, and the place of new rows on it: what umap-learn's `transform` computes for one row alone.

Its verdict on a crop must not hang on the crops beside it, as umap-learn's does: there the number of epochs,
the edges that count and the approximate neighbours follow from the whole call (docs/decisions/0029). Here a
row's place follows from the row: exact neighbours, its own memberships, its own random numbers. No umap-learn
is needed to apply a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.manifold.errors import ManifoldError
from models.manifold.layout import LANES, settle
from models.manifold.membership import memberships, starts
from models.manifold.neighbours import NeighbourSearch, run_blocks

TRANSFORM_EPOCHS: Final = 100
MAX_VALUE: Final = 1e12  # of an embedding: squared distances must fit into 32 bits
_RATE: Final = 0.25  # umap-learn's transform begins with a quarter of its learning rate of 1
_BLOCK_ROWS: Final = 4 * LANES


@dataclass(frozen=True)
class ManifoldSpec:
    """What belongs to a map besides its arrays; the names are umap-learn's.

    Attributes
    ----------
    a, b
        Of the curve 1 / (1 + a d^(2 b)) that turns distances on the map into memberships.
    seed
        Of the fit.
    rng_state
        Where every row's random numbers begin; a row adds the bits of its start.
    n_epochs
        Of a projection.
    """

    n_neighbors: int
    min_dist: float
    a: float
    b: float
    seed: int
    rng_state: tuple[int, int, int]
    n_epochs: int = TRANSFORM_EPOCHS
    negative_sample_rate: int = 5
    repulsion_strength: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entries."""
        return asdict(self) | {"rng_state": list(self.rng_state)}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Self:
        """Read what `to_json` made; raises `ManifoldError` if something is missing or impossible."""
        try:
            first, second, third = entries["rng_state"]
            spec = cls(
                n_neighbors=_whole(entries["n_neighbors"]),
                min_dist=float(entries["min_dist"]),
                a=float(entries["a"]),
                b=float(entries["b"]),
                seed=_whole(entries["seed"]),
                rng_state=(_whole(first), _whole(second), _whole(third)),
                n_epochs=_whole(entries["n_epochs"]),
                negative_sample_rate=_whole(entries["negative_sample_rate"]),
                repulsion_strength=float(entries["repulsion_strength"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ManifoldError(f"The map's description cannot be read: {error!r}.") from error
        spec.check()
        return spec

    def check(self) -> None:
        """Raise `ManifoldError` for values with which no row could be placed."""
        curve = (self.a, self.b, self.repulsion_strength)
        if not (2 <= self.n_neighbors <= 1000 and 1 <= self.n_epochs <= 10_000):  # noqa: PLR2004 - told below
            raise ManifoldError("A map needs 2 to 1,000 neighbours and 1 to 10,000 epochs.")
        if not (1 <= self.negative_sample_rate <= 100 and all(0 < v < 1e6 for v in curve)):  # noqa: PLR2004
            raise ManifoldError("The map's curve or its rates are out of range.")
        if not 0 <= self.min_dist <= 1:
            raise ManifoldError("A map's min_dist lies between 0 and 1.")
        if not all(-(2**31) <= number < 2**31 for number in self.rng_state):
            raise ManifoldError("The map's random state is not made of 32-bit numbers.")


@dataclass(frozen=True)
class Projection:
    """Where M rows lie.

    Attributes
    ----------
    coordinates : (M, 2) float32
    neighbours : (M, k) int32
        Among the training rows, nearest first.
    distances : (M, k) float64
        Euclidean, between embeddings.
    """

    coordinates: NDArray[np.float32]
    neighbours: NDArray[np.int32]
    distances: NDArray[np.float64]


class Manifold:
    """Training embeddings with their places on the map.

    Parameters
    ----------
    embeddings : (N, D) float32
    coordinates : (N, 2) float32

    Raises
    ------
    ManifoldError
        The arrays do not fit together, are not finite, or have fewer rows than neighbours are asked for.
    """

    def __init__(
        self, spec: ManifoldSpec, embeddings: NDArray[np.float32], coordinates: NDArray[np.float32]
    ) -> None:
        spec.check()
        _check_arrays(spec, embeddings, coordinates)
        self.spec = spec
        self.embeddings = np.ascontiguousarray(embeddings)
        self.coordinates = np.ascontiguousarray(coordinates)
        self._search = NeighbourSearch(self.embeddings)

    @classmethod
    def from_arrays(cls, spec: ManifoldSpec, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build a map from what `arrays` returned."""
        missing = {"embeddings", "coordinates"} - arrays.keys()
        if missing:
            raise ManifoldError(f"The map lacks {' and '.join(sorted(missing))}.")
        return cls(spec, arrays["embeddings"], arrays["coordinates"])

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The arrays that `from_arrays` takes."""
        return {"embeddings": self.embeddings, "coordinates": self.coordinates}

    def __len__(self) -> int:
        """Return N."""
        return len(self.embeddings)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.embeddings.shape[1])

    def nearest(
        self,
        rows: NDArray[np.float32],
        *,
        excluded: NDArray[np.int64] | None = None,
        threads: int = 1,
        check: Callable[[], None] = lambda: None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Find the training rows next to each row, without projecting it; parameters as for `project`.

        Returns
        -------
        neighbours : (M, k) int32
        distances : (M, k) float64
        """
        self._check_rows(rows)
        if excluded is not None:
            self._check_excluded(excluded, len(rows))
        return self._search.nearest(
            rows, self.spec.n_neighbors, excluded=excluded, threads=threads, check=check
        )

    def project(
        self,
        rows: NDArray[np.float32],
        *,
        excluded: NDArray[np.int64] | None = None,
        threads: int = 1,
        check: Callable[[], None] = lambda: None,
    ) -> Projection:
        """Place rows on the map, each as if it were alone.

        Parameters
        ----------
        rows : (M, D) float32
            M may be 0.
        excluded : (M,) int64
            A training row that is not to be a neighbour of the row, itself for example; -1 for none.
        threads
            How many threads share the work; results do not depend on it.
        check
            Called between pieces of work; may raise to stop.

        Raises
        ------
        ManifoldError
            The rows have another width than the map's, or are not finite or absurdly large.
        """
        neighbours, distances = self.nearest(rows, excluded=excluded, threads=threads, check=check)
        coordinates = np.empty((len(rows), 2), np.float32)

        def work(start: int) -> None:
            check()
            for first in range(start, min(start + _BLOCK_ROWS, len(rows)), LANES):
                lanes = slice(first, first + LANES)
                self._place(neighbours[lanes], distances[lanes], coordinates[lanes])

        run_blocks(work, range(0, len(rows), _BLOCK_ROWS), threads)
        return Projection(coordinates, neighbours, distances)

    def _place(
        self, neighbours: NDArray[np.int32], distances: NDArray[np.float64], out: NDArray[np.float32]
    ) -> None:
        near = distances.astype(np.float32)
        weights, begin = np.empty_like(near), np.empty_like(out)
        memberships(near, weights)
        starts(neighbours, weights, self.coordinates, begin)
        settle(
            begin,
            neighbours,
            weights,
            self.coordinates,
            np.array(self.spec.rng_state, np.int64),
            self.spec.a,
            self.spec.b,
            self.spec.n_epochs,
            _RATE,
            self.spec.repulsion_strength,
            self.spec.negative_sample_rate,
            out,
        )

    def _check_rows(self, rows: NDArray[np.float32]) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.dimensions:  # noqa: PLR2004 - rows and columns
            raise ManifoldError(
                f"The rows have the shape {rows.shape}; this map takes (rows, {self.dimensions}): embeddings "
                "of the classifier that it was fitted with."
            )
        if rows.dtype != np.float32:
            raise ManifoldError(f"The rows are {rows.dtype}; embeddings are float32.")
        if not (np.abs(rows) <= MAX_VALUE).all():
            raise ManifoldError(
                f"The rows hold numbers that are not finite, or beyond {MAX_VALUE:g}: no embedding has those."
            )

    def _check_excluded(self, excluded: NDArray[np.int64], num_rows: int) -> None:
        if excluded.shape != (num_rows,) or excluded.dtype.kind != "i":
            raise ManifoldError("Give one number of a training row, or -1, for every row.")
        if ((excluded < -1) | (excluded >= len(self))).any():
            raise ManifoldError(f"The map has the training rows 0 to {len(self) - 1}.")


def _whole(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{number!r} is no whole number")
    return number


def _check_arrays(
    spec: ManifoldSpec, embeddings: NDArray[np.float32], coordinates: NDArray[np.float32]
) -> None:
    if embeddings.ndim != 2 or coordinates.shape != (len(embeddings), 2):  # noqa: PLR2004
        raise ManifoldError(
            f"Embeddings {embeddings.shape} and coordinates {coordinates.shape} do not describe the same "
            "rows."
        )
    if embeddings.dtype != np.float32 or coordinates.dtype != np.float32:
        raise ManifoldError("Embeddings and coordinates of a map are float32.")
    if not all((np.abs(array) <= MAX_VALUE).all() for array in (embeddings, coordinates)):
        raise ManifoldError(f"The map holds numbers that are not finite, or beyond {MAX_VALUE:g}.")
    if len(embeddings) <= spec.n_neighbors:
        raise ManifoldError(
            f"The map has {len(embeddings)} rows; with {spec.n_neighbors} neighbours it needs more than that."
        )
