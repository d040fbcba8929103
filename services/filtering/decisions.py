"""At which level, and beyond which distance, crops are kept: what a filter, a job or a caller says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from services.artifacts.types import ArtifactVersion
from services.jobs.types import Job

GATE_OFF: Final = 100.0
"""Of a percentile; whoever asks for this one switches the second gate off."""


@dataclass(frozen=True)
class Decision:
    """Where the two sliders of a filter stand.

    Attributes
    ----------
    level
        In [0, 1]; crops that need no more are kept.
    max_percentile
        Of the distance to the training embeddings; None switches this gate off.
    """

    level: float
    max_percentile: float | None

    def moved(self, level: float | None, max_percentile: float | None) -> Decision:
        """Return the decision with other values; None leaves one as it is, `GATE_OFF` is no gate."""
        gate = self.max_percentile if max_percentile is None else max_percentile
        return Decision(
            self.level if level is None else level, None if gate is None or gate >= GATE_OFF else gate
        )

    def to_json(self) -> dict[str, Any]:
        """Return the decision as jobs show it."""
        return {"level": self.level, "max_percentile": self.max_percentile}


def decision_of_filter(version: ArtifactVersion) -> Decision:
    """Return where a filter's sliders stand by its manifest."""
    told = version.manifest["filter"]
    return Decision(told["level"], told["max_percentile"])


def decision_of_job(job: Job) -> Decision:
    """Return how the crops of a filtering job that has ended are decided now."""
    return Decision(job.result["level"], job.result["max_percentile"])
