"""The classifier's own opinion, from the embedding that it made."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats, blocks, each, joined
from models.filtering.errors import FilterError
from models.filtering.rules.face import Method
from models.filtering.scores import Judgement
from models.manifold.rowwise import affine
from models.quality.stopping import Check, never_stop

_CLASSES = 2


class ProbabilityRule:
    """Keeps what the classifier calls an aberration with a probability of 1 - level or more.

    Parameters
    ----------
    head_weight : (2, D) float32
        The classifier's last layer: normal, aberration.
    head_bias : (2,) float32
    temperature
        Of its calibration, positive.

    Raises
    ------
    FilterError
        They are something else.
    """

    method: Method = "probability"

    def __init__(
        self, head_weight: NDArray[np.float32], head_bias: NDArray[np.float32], temperature: float
    ) -> None:
        self.head_weight = np.ascontiguousarray(head_weight, np.float32)
        self.head_bias = np.ascontiguousarray(head_bias, np.float32)
        self.temperature = float(temperature)
        shape = self.head_weight.shape
        if len(shape) != _CLASSES or shape[0] != _CLASSES or self.head_bias.shape != (_CLASSES,):
            raise FilterError(f"A head is (2, D) and (2,), not {shape} and {self.head_bias.shape}.")
        if not (np.isfinite(self.head_weight).all() and np.isfinite(self.head_bias).all()):
            raise FilterError("A number of the classifier's head is not finite.")
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise FilterError(f"A temperature is positive, not {self.temperature}.")
        weight, bias = self.head_weight.astype(np.float64), self.head_bias.astype(np.float64)
        self._direction = np.ascontiguousarray((weight[1] - weight[0])[:, None])
        self._offset = bias[1:] - bias[:1]

    @property
    def dimensions(self) -> int:
        """Values of an embedding."""
        return self.head_weight.shape[1]

    def judge(
        self,
        rows: NDArray[np.float32],
        coordinates: NDArray[np.float32],  # noqa: ARG002 - the map is for other rules
        *,
        threads: int = 1,  # noqa: ARG002 - one sum per row
        check: Check = never_stop,
    ) -> Judgement:
        """Judge rows by the probability that they are normal; see `Rule.judge`."""
        return Judgement.by_level(joined(self._normal(rows[part], check) for part in blocks(len(rows))))

    def _normal(self, rows: NDArray[np.float32], check: Check) -> Floats:
        """Calibrated probability of a normal chromosome."""
        check()
        margin = affine(rows, self._direction, self._offset)[:, 0] / self.temperature
        return 0.5 * (1.0 - each(math.tanh, 0.5 * margin))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the head and the temperature."""
        return {
            "head_weight": self.head_weight,
            "head_bias": self.head_bias,
            "temperature": np.array([self.temperature]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ProbabilityRule:
        """Make the rule of `arrays()`; raises `FilterError`."""
        if arrays["temperature"].shape != (1,):
            raise FilterError("A classifier has one temperature.")
        return cls(arrays["head_weight"], arrays["head_bias"], float(arrays["temperature"][0]))

    def to_json(self) -> dict[str, Any]:
        """Return the temperature."""
        return {"temperature": self.temperature}
