"""A finished run of a study: one network, and what it said of what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.study.statistics import Scores, Split


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """One network: a condition, an arm and a seed.

    Attributes
    ----------
    train_counts
        Crops that it learnt from: ``normal``, ``aberration``, and ``synthetic`` by generator.
    steps
        Of the optimiser.
    seconds
        That its training took, when it was computed.
    loss
        The last epoch's mean; NaN where there was none.
    val, test, left_out
        Judged with the thresholds of ``val``; None for a split that was not looked at, or is not there.
    key
        Of the cache: equal for runs that cannot differ.
    """

    condition: str
    arm: str
    seed: int
    train_counts: Mapping[str, Any]
    steps: int
    seconds: float
    loss: float
    val: Scores
    test: Scores | None = None
    left_out: Scores | None = None
    key: str = ""

    @property
    def place(self) -> tuple[str, str, int]:
        """Condition, arm and seed: there is one run of each."""
        return self.condition, self.arm, self.seed

    @property
    def splits(self) -> dict[Split, Scores]:
        """Scores by split, of those that there are."""
        every: dict[Split, Scores | None] = {"val": self.val, "test": self.test, "left_out": self.left_out}
        return {split: scores for split, scores in every.items() if scores is not None}
