"""What a study costs: work in units that any machine does at some pace, and paces that are measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

# Seconds per unit of work on one core of an AMD EPYC (AVX-512; classifiers train in bfloat16) with small
# networks: what a plan is estimated with where no study has run yet. Measured by the study in
# docs/results/study.md.
REFERENCE_PACES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "train": 2.4e-6,
        "train-bbdm-default": 1.4e-4,
        "train-cyclegan-default": 9.0e-5,
        "generate-bbdm": 1.0e-4,
        "generate-cyclegan": 8.0e-6,
        "generate-painted": 2.0e-6,
        "embed": 1.0e-6,
        "fit-filter": 5.0e-3,
    }
)
REFERENCE_MACHINE: Final = "one core of an AMD EPYC"


@dataclass(frozen=True)
class Work:
    """An amount of one kind of work, in units whose time on a machine is constant.

    Attributes
    ----------
    amount
        Of trainings, crops seen times pixels of a crop, or steps times pixels for a generator; of
        generation and embedding, crops times pixels; of a filter, training rows.
    """

    kind: str
    amount: float


@dataclass
class Timekeeper:
    """Learns a machine's paces from what is done, and says how long the rest will take.

    A kind that was not seen yet is estimated from `priors`, times how much slower or faster this machine
    has been than they say.

    Attributes
    ----------
    priors
        Seconds per unit by kind of work.
    """

    priors: Mapping[str, float]
    _seconds: dict[str, float] = field(default_factory=dict)
    _amounts: dict[str, float] = field(default_factory=dict)

    def observe(self, work: Work, seconds: float) -> None:
        """Take note of a step that was computed."""
        self._seconds[work.kind] = self._seconds.get(work.kind, 0.0) + seconds
        self._amounts[work.kind] = self._amounts.get(work.kind, 0.0) + work.amount

    @property
    def paces(self) -> dict[str, float]:
        """Seconds per unit of what was seen."""
        return {kind: self._seconds[kind] / amount for kind, amount in self._amounts.items() if amount > 0}

    def left_s(self, rest: Iterable[Work]) -> float | None:
        """Seconds that some work will take; None if nothing is known of one kind of it."""
        paces, ratio = self.paces, self._ratio()
        total = 0.0
        for work in rest:
            pace = paces.get(work.kind)
            if pace is None:
                prior = self.priors.get(work.kind)
                if prior is None:
                    return None
                pace = prior * ratio
            total += pace * work.amount
        return total

    def _ratio(self) -> float:
        known = [kind for kind in self._seconds if kind in self.priors]
        promised = sum(self._amounts[kind] * self.priors[kind] for kind in known)
        return sum(self._seconds[kind] for kind in known) / promised if promised > 0 else 1.0
