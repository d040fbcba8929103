"""No rule: everything is kept, for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.rules.face import Method
from models.filtering.scores import Judgement
from models.quality.stopping import Check, never_stop


class KeepAllRule:
    """Keeps everything, at any level."""

    method: Method = "none"
    dimensions = None

    def judge(
        self,
        rows: NDArray[np.float32],
        coordinates: NDArray[np.float32],  # noqa: ARG002 - nothing is looked at
        *,
        threads: int = 1,  # noqa: ARG002
        check: Check = never_stop,  # noqa: ARG002
    ) -> Judgement:
        """Need level 0 of every row; see `Rule.judge`."""
        return Judgement.by_level(np.zeros(len(rows)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return nothing."""
        return {}
