"""What every step of a study works with: its job, its store, its data, and a watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import torch

from models.classification.preprocessing import Preprocessing
from models.study.plan import Plan, Step, StepKind
from services.jobs.context import JobContext
from services.pipelines.handing_back import kept_when_handed_back
from services.pipelines.resources import Resources
from services.pipelines.study.data import ConditionData
from services.studies.cache import StepResult, StepStore

STAGES: Final[Mapping[StepKind, str]] = MappingProxyType(
    {
        "generator": "training generators",
        "candidates": "generating",
        "embeddings": "embedding",
        "filter": "fitting filters",
        "run": "training classifiers",
    }
)


@dataclass
class StudyWork:
    """One attempt at a study.

    Attributes
    ----------
    data
        By condition.
    generators
        By condition and method, exact versions that are used instead of training: ``name/version``.
    threads
        Of filters; they change nothing but the time.
    saying
        Takes what the present step wants to tell of its progress.
    """

    context: JobContext
    resources: Resources
    store: StepStore
    plan: Plan
    data: Mapping[str, ConditionData]
    generators: Mapping[str, Mapping[str, str]]
    preprocessing: Preprocessing
    device: torch.device
    threads: int
    saying: Callable[[str], None] = lambda _: None
    _memory: dict[str, StepResult] = field(default_factory=dict)

    def say(self, message: str) -> None:
        """Tell how far the present step is."""
        self.saying(message)

    def result_of(self, key: str) -> StepResult:
        """Return the open part of a step that was computed before; large ones are read once."""
        if key not in self._memory:
            found = self.store.get(key)
            if found is None:
                raise LookupError(f"Step {key} was not computed.")
            self._memory[key] = found
        return self._memory[key]

    def data_of(self, step: Step) -> ConditionData:
        """Return the crops of a step's condition."""
        return self.data[step.condition.name]

    def forget(self) -> None:
        """Let go of results in memory: the next condition needs others."""
        self._memory.clear()


class Saver:
    """Keeps what a resume needs, not more often than the settings say."""

    def __init__(self, work: StudyWork, key: str) -> None:
        self._work = work
        self._key = key
        self._before_s, self._partial = _earlier(work.store.partial(key))
        self._started = self._saved = time.monotonic()

    @property
    def partial(self) -> StepResult | None:
        """What an earlier attempt kept."""
        return self._partial

    @property
    def seconds(self) -> float:
        """Of all attempts together."""
        return self._before_s + time.monotonic() - self._started

    def save(self, result: Callable[[], StepResult], *, now: bool = False) -> None:
        """Keep something, if it is time to."""
        wait_s = self._work.resources.settings.checkpoint_every_s
        if not now and time.monotonic() - self._saved < wait_s:
            return
        made = result()
        facts = {**made.facts, "seconds": self.seconds}
        self._work.store.put_partial(self._key, StepResult(made.arrays, facts))
        self._work.context.saved()
        self._saved = time.monotonic()

    def kept_when_handed_back(
        self, position: Callable[[], object], result: Callable[[], StepResult]
    ) -> AbstractContextManager[None]:
        """Keep something also when the study's job is handed back inside the block."""
        return kept_when_handed_back(position, lambda: self.save(result, now=True))


def _earlier(partial: StepResult | None) -> tuple[float, StepResult | None]:
    return (0.0, None) if partial is None else (float(partial.facts["seconds"]), partial)
