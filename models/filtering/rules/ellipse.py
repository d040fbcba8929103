"""The paper's rule: inside the ellipse of a mixture's dominant component, on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.mixture import Mixture, level_of
from models.filtering.rules.face import Method
from models.filtering.scores import Judgement
from models.quality.stopping import Check, never_stop


class EllipseRule:
    """Keeps what lies inside an ellipse of the dominant component.

    Parameters
    ----------
    mixture
        Of the aberrations' coordinates.
    """

    method: Method = "umap"
    dimensions = None

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def judge(
        self,
        rows: NDArray[np.float32],  # noqa: ARG002 - other rules look at the embeddings
        coordinates: NDArray[np.float32],
        *,
        threads: int = 1,  # noqa: ARG002 - a few sums per row
        check: Check = never_stop,  # noqa: ARG002
    ) -> Judgement:
        """Judge rows by where they lie on the map; see `Rule.judge`."""
        squared = self.mixture.mahalanobis2(coordinates, self.mixture.dominant)
        return Judgement(self.mixture.component_of(coordinates), squared, level_of(squared))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the mixture's arrays."""
        return self.mixture.arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> EllipseRule:
        """Make the rule of `arrays()`; raises `FilterError`."""
        return cls(Mixture(**arrays))

    def to_json(self) -> dict[str, Any]:
        """Return the mixture."""
        return {"mixture": self.mixture.to_json()}
