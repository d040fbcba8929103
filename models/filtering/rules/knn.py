"""Distance to the nearest training aberrations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats, checked_references, row_means, share_below
from models.filtering.errors import FilterError
from models.filtering.rules.face import Method
from models.filtering.scores import Judgement
from models.manifold.neighbours import NeighbourSearch
from models.quality.stopping import Check, never_stop


class KnnRule:
    """Keeps rows no farther from their nearest aberrations than a share of the aberrations are.

    Parameters
    ----------
    aberrations : (A, D) float32
        Training embeddings.
    num_neighbours
        How many distances are averaged; less than A.
    references : (A,)
        The training aberrations' own mean distances to their nearest others; ascending.

    Raises
    ------
    FilterError
        They are something else.
    """

    method: Method = "knn"

    def __init__(self, aberrations: NDArray[np.float32], num_neighbours: int, references: Floats) -> None:
        self.aberrations = np.ascontiguousarray(aberrations, np.float32)
        self.num_neighbours = int(num_neighbours)
        self._search = NeighbourSearch(self.aberrations)
        self.references = checked_references(references, "reference distances")
        if not 1 <= self.num_neighbours < len(self.aberrations):
            raise FilterError(
                f"{self.num_neighbours} neighbours need more aberrations than {len(self.aberrations)}."
            )
        if len(self.references) != len(self.aberrations):
            raise FilterError(
                f"{len(self.aberrations)} aberrations need as many distances, not {len(self.references)}."
            )

    @property
    def dimensions(self) -> int:
        """Values of an embedding."""
        return self.aberrations.shape[1]

    def judge(
        self,
        rows: NDArray[np.float32],
        coordinates: NDArray[np.float32],  # noqa: ARG002 - the map is for other rules
        *,
        threads: int = 1,
        check: Check = never_stop,
    ) -> Judgement:
        """Judge rows by their mean distance to the nearest aberrations; see `Rule.judge`."""
        _, distances = self._search.nearest(rows, self.num_neighbours, threads=threads, check=check)
        return Judgement.by_level(share_below(self.references, row_means(distances)))

    @staticmethod
    def own_distances(
        aberrations: NDArray[np.float32], num_neighbours: int, *, threads: int, check: Check
    ) -> Floats:
        """Mean distance of each aberration to its nearest others: (A, D) float32 to (A,) float64."""
        itself = np.arange(len(aberrations))
        _, distances = NeighbourSearch(aberrations).nearest(
            aberrations, num_neighbours, excluded=itself, threads=threads, check=check
        )
        return row_means(distances)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the references; the aberrations lie in the map."""
        return {"references": self.references, "num_neighbours": np.array([self.num_neighbours])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], aberrations: NDArray[np.float32]) -> KnnRule:
        """Make the rule of `arrays()`; raises `FilterError`."""
        if arrays["num_neighbours"].shape != (1,):
            raise FilterError("A rule has one number of neighbours.")
        return cls(aberrations, int(arrays["num_neighbours"][0]), arrays["references"])

    def to_json(self) -> dict[str, Any]:
        """Return how many aberrations it compares with, and their median."""
        return {"references": len(self.references), "median": float(np.median(self.references))}
