"""Opening the seal: scores of test and left-out crops meet their truth, once, when every network is done.

This is the only place where that happens. Nothing that is decided in a study can depend on it, because
nothing is left to decide: networks, temperatures and thresholds are fixed, and the plan is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.study.plan import Step
from models.study.runs import FinishedRun
from models.study.statistics import Scores, thresholds_on_validation
from services.pipelines.study.data import Truth
from services.pipelines.study.work import StudyWork
from services.studies.cache import StepResult


class SealError(LookupError):
    """Someone wants to look at the test split although there are networks left to train."""


def unsealed(work: StudyWork) -> list[FinishedRun]:
    """Return every run of a finished plan with its scores of validation, test and left-out crops.

    Raises
    ------
    SealError
        A run of the plan is not done.
    """
    _require_done(work, list(work.plan.of_kind("run")))
    return [_finished(work, step) for step in work.plan.compared()]


def _require_done(work: StudyWork, steps: Sequence[Step]) -> None:
    missing = [step.title for step in steps if not work.store.has(step.key)]
    if missing:
        raise SealError(
            f"The test split stays under seal: {len(missing)} of {len(steps)} networks are not trained, "
            f"{missing[0]} among them."
        )


def _finished(work: StudyWork, step: Step) -> FinishedRun:
    run, sealed = work.store.get(step.key), work.store.open_sealed(step.key)
    if run is None or sealed is None:
        raise SealError(f"What the network {step.title!r} scored is not in the store any more.")
    data = work.data_of(step)
    seen = data.val
    val = Scores(run.arrays["val"], seen.labels, seen.groups, seen.chromosomes)
    thresholds = thresholds_on_validation(val)
    scores = {
        split: _scores(sealed, split, truth).with_thresholds(thresholds)
        for split, truth in data.sealed.truth().items()
    }
    facts = run.facts
    return FinishedRun(
        condition=step.condition.name,
        arm=step.spec["arm"]["name"],
        seed=step.spec["run_seed"],
        train_counts={name: facts[name] for name in ("normal", "aberration", "synthetic")},
        steps=facts["steps"],
        seconds=facts["seconds"],
        loss=facts["loss"],
        val=val.with_thresholds(thresholds),
        test=scores.get("test"),
        left_out=scores.get("left_out"),
        key=step.key,
    )


def _scores(sealed: StepResult, split: str, truth: Truth) -> Scores:
    return Scores(sealed.arrays[split], truth.labels, truth.groups, truth.chromosomes)
