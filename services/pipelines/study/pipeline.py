"""The study: the paper's whole experiment on a data set version, as one job.

Every step's result is kept under a key that follows from its content (`models.study.plan`): a killed
worker's successor, and any later study, computes only what is not there. The test split is scored by each
network and sealed; the seal is opened once, when all of them are done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from models.classification.preprocessing import Preprocessing
from models.study.conditions import ALL
from models.study.costs import Timekeeper
from models.study.plan import Step
from services.jobs.context import JobContext
from services.jobs.params import StudyParams
from services.pipelines.device import device_of, threads_of
from services.pipelines.generator_networks import spelt
from services.pipelines.resources import Resources
from services.pipelines.study.data import ConditionData, load_crops
from services.pipelines.study.files import add_study
from services.pipelines.study.filters import Selector, embed, fit
from services.pipelines.study.generators import make_candidates, train_generator
from services.pipelines.study.training import train_run
from services.pipelines.study.work import StudyWork
from services.studies.cache import StepResult, StepStore
from services.studies.generators import refs_of
from services.studies.repository import StudyRepository
from services.studies.service import Prepared, paces_of, prepare

UNIT: Final = "steps"


@dataclass
class Progress:
    """What was computed, how long it took, and how long the rest will take.

    Attributes
    ----------
    open
        Steps that are not done, by key.
    estimated_s
        What was left to compute when it started, by the reference paces.
    seconds, computed, cached
        By kind of step.
    """

    context: JobContext
    steps: tuple[Step, ...]
    watch: Timekeeper
    open: dict[str, Step] = field(default_factory=dict)
    estimated_s: float | None = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    computed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cached: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def took(self, step: Step, result: StepResult, *, cached: bool) -> None:
        """Take note of a step that is done."""
        self.open.pop(step.key, None)
        if cached:
            self.cached[step.kind] += 1
            return
        self.computed[step.kind] += 1
        seconds = float(result.facts["seconds"])
        self.seconds[step.kind] += seconds
        self.watch.observe(step.work, seconds)

    def say(self, step: Step, message: str = "") -> None:
        """Tell what is done now, and how long it will take from here."""
        done = len(self.steps) - len(self.open)
        left_s = self.watch.left_s(one.work for one in self.open.values())
        where = "" if step.condition.name == ALL else f" ({step.condition.title})"
        left = "" if left_s is None else f"; about {spelt(left_s)} left"
        what = f"{step.title}{where}" + (f", {message}" if message else "")
        self.context.progress(done, len(self.steps), UNIT, what + left)


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Compute what is not there yet, open the seal, and write the report.

    Raises
    ------
    InvalidInputError
        The data set cannot carry this study: the message says what is missing.
    """
    params = StudyParams.model_validate(
        {**context.job.params, "generators": context.job.inputs.get("generators", {})}
    )
    with resources.session_factory() as session:
        prepared = prepare(session, resources.store, params)
        paces, _ = paces_of(StudyRepository(session).newest())
    work = open_work(context, resources, prepared)
    plan = prepared.plan
    progress = Progress(context, plan.steps, Timekeeper(paces))
    context.progress(0, len(plan.steps), UNIT, "planned")
    progress.open = {step.key: step for step in plan.steps}
    missing = [step for step in plan.steps if not work.store.has(step.key)]
    progress.estimated_s = progress.watch.left_s(step.work for step in missing)
    compute(work, progress)
    context.progress(len(plan.steps), len(plan.steps), UNIT, "writing the report")
    context.tell()
    return add_study(work, params, prepared, progress)


def open_work(context: JobContext, resources: Resources, prepared: Prepared) -> StudyWork:
    """Read the data set's crops, and make ready what steps work with."""
    plan, seed = prepared.plan, int(context.job.params["seed"])
    preprocessing = Preprocessing(canvas_px=plan.settings.canvas_px, scale=plan.settings.scale)

    def told(done: int, total: int) -> None:
        context.check()
        context.progress(0, len(plan.steps), UNIT, f"reading crops: {done:,} of {total:,}")

    crops = load_crops(resources.store, prepared.items, preprocessing, told)
    return StudyWork(
        context=context,
        resources=resources,
        store=StepStore(resources.store),
        plan=plan,
        data={
            one.name: ConditionData(crops, one, normals=plan.normals[one.name], seed=seed)
            for one in plan.conditions
        },
        generators=refs_of(prepared.generators),
        preprocessing=preprocessing,
        device=device_of(resources.settings),
        threads=threads_of(resources.settings),
    )


def compute(work: StudyWork, progress: Progress) -> None:
    """Compute every step of the plan that is not in the store."""
    for condition in work.plan.conditions:
        selector = Selector(work)
        for step in work.plan.steps:
            if step.condition == condition:
                _take(work, step, selector, progress)
        work.forget()


def _take(work: StudyWork, step: Step, selector: Selector, progress: Progress) -> None:
    work.context.check()
    # What is there but cannot be read is computed again, before anything stands on it.
    if work.store.intact(step.key, sealed=step.kind == "run"):
        progress.took(step, StepResult(), cached=True)
        return
    progress.say(step)
    device_of(work.resources.settings)  # what the step before did to torch's threads must not show
    work.saying = lambda message: progress.say(step, message)
    result, sealed = _compute(work, step, selector)
    work.store.put(step.key, result, sealed)
    work.context.saved()
    progress.took(step, result, cached=False)


def _compute(work: StudyWork, step: Step, selector: Selector) -> tuple[StepResult, StepResult | None]:
    if step.kind == "run":
        return train_run(work, step, selector)
    return _SIMPLE[step.kind](work, step), None


_SIMPLE: Final[Mapping[str, Callable[[StudyWork, Step], StepResult]]] = MappingProxyType(
    {"generator": train_generator, "candidates": make_candidates, "embeddings": embed, "filter": fit}
)
