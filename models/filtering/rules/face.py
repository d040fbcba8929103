"""The face that every rule shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from models.filtering.scores import Judgement
from models.quality.stopping import Check, never_stop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["umap", "mahalanobis", "knn", "probability", "none"]
METHODS: Final[tuple[Method, ...]] = ("umap", "mahalanobis", "knn", "probability", "none")


class Rule(Protocol):
    """Says of every row the least level at which it is kept.

    Attributes
    ----------
    method
        Its name in specs and files.
    dimensions
        Values that an embedding must have; None where any number will do.
    """

    @property
    def method(self) -> Method:
        """Its name in specs and files."""

    @property
    def dimensions(self) -> int | None:
        """Values that an embedding must have; None where any number will do."""

    def judge(
        self,
        rows: NDArray[np.float32],
        coordinates: NDArray[np.float32],
        *,
        threads: int = 1,
        check: Check = never_stop,
    ) -> Judgement:
        """Judge rows, each as if it were alone.

        Parameters
        ----------
        rows : (M, D) float32
            Embeddings, which the map has checked already.
        coordinates : (M, 2) float32
            Where they lie on the map.
        check
            Called now and then; may raise to stop.
        """

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a file must hold beside the map and its labels, to make this rule again."""

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers for a manifest."""
