"""Studies before they start and after they ended: a plan with its cost, and the files of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from models.study.costs import REFERENCE_MACHINE, REFERENCE_PACES, Timekeeper
from models.study.plan import Plan, Step
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.datasets.repository import DatasetRepository
from services.datasets.types import DatasetItem, DatasetVersion
from services.db.engine import SessionFactory
from services.jobs.params import StudyParams
from services.pagination import Page, PageRequest
from services.storage.base import ObjectStore
from services.studies.advice import warnings_of
from services.studies.cache import StepStore
from services.studies.facts import check_filters, counts_of
from services.studies.generators import Versions, check_generators, digests_of, resolve_generators
from services.studies.planning import planned
from services.studies.repository import KIND, StudyRepository

REPORT_FILES: Final = (
    "report.html",
    "report.pdf",
    "results.json",
    "runs.csv",
    "summaries.csv",
    "comparisons.csv",
)


@dataclass(frozen=True)
class Prepared:
    """A study that can be submitted.

    Attributes
    ----------
    generators
        Versions that are used instead of new networks, by condition and method.
    """

    dataset: DatasetVersion
    items: Sequence[DatasetItem]
    generators: Versions
    plan: Plan


@dataclass(frozen=True)
class PlannedStep:
    """A step, whether its result is there already, and what it will take; None where nobody knows."""

    kind: str
    title: str
    condition: str
    cached: bool
    estimated_seconds: float | None


@dataclass(frozen=True)
class StudyPlan:
    """What a study will do and cost.

    Attributes
    ----------
    runs
        Networks that are compared.
    computed, from_cache
        Steps that have to be computed, and those that any study computed before.
    estimated_seconds
        Of what has to be computed; None where the machine's pace is unknown for one kind of it.
    basis
        What the estimate stands on.
    conditions
        By name, crops, chromosomes and groups by split.
    earlier_studies
        Those that looked at the same test split.
    unfinished_job
        One that is at work on this very study, or waits for it.
    """

    dataset: str
    size: str
    runs: int
    steps: Sequence[PlannedStep]
    computed: int
    from_cache: int
    estimated_seconds: float | None
    basis: str
    conditions: Mapping[str, Mapping[str, Any]]
    earlier_studies: Sequence[str]
    warnings: Sequence[str]
    unfinished_job: str | None = None


class StudyService:
    """Plans and reports; safe to use from several threads."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def plan(self, params: StudyParams) -> StudyPlan:
        """Tell what a study would do, without starting it; raises what `prepare` raises."""
        with self._session_factory() as session:
            prepared = prepare(session, self._store, params)
            studies = StudyRepository(session)
            earlier, newest = studies.refs_on(prepared.dataset.sha256), studies.newest()
            unfinished = studies.unfinished_job(params)
        found = _shown(params, prepared, StepStore(self._store), earlier, newest)
        return replace(found, unfinished_job=unfinished)

    def list_page(self, page: PageRequest) -> Page[ArtifactVersion]:
        """Every study that has ended, by name and number."""
        with self._session_factory() as session:
            return StudyRepository(session).list_page(page)

    def file(self, name: str, version_or_alias: str, filename: str) -> bytes:
        """Read a file of a study.

        Raises
        ------
        NotFoundError
            There is no such study, or it has no such file.
        ArtifactDamagedError
            The stored bytes are not those that were written.
        """
        with self._session_factory() as session:
            artifacts = ArtifactService(session, self._store)
            version = artifacts.get(KIND, name, version_or_alias)
        return artifacts.open_file(version, filename)


def prepare(session: Session, store: ObjectStore, params: StudyParams) -> Prepared:
    """Make sure that a study can run, and settle what it runs on.

    Raises
    ------
    NotFoundError
        There is no such data set or generator.
    InvalidInputError
        A group is not in the data set, a condition has too little to learn from, or a generator does not
        fit or knows too much.
    """
    datasets = DatasetRepository(session)
    dataset = datasets.resolve(params.dataset)
    items = datasets.items(dataset)
    versions = resolve_generators(ArtifactService(session, store), params)
    found = planned(params, dataset.sha256, items, digests_of(versions))
    check_filters(found.plan, found.facts)
    check_generators(versions, found.plan.conditions, items, found.plan.settings)
    return Prepared(dataset, items, versions, found.plan)


def _shown(
    params: StudyParams,
    prepared: Prepared,
    cache: StepStore,
    earlier: Sequence[str],
    newest: ArtifactVersion | None,
) -> StudyPlan:
    plan = prepared.plan
    paces, basis = paces_of(newest)
    cached = {step.key for step in plan.steps if cache.has(step.key)}
    rest = [step.work for step in plan.steps if step.key not in cached]
    return StudyPlan(
        dataset=prepared.dataset.ref,
        size=params.size,
        runs=sum(1 for _ in plan.compared()),
        steps=[_step(step, paces, cached=step.key in cached) for step in plan.steps],
        computed=len(rest),
        from_cache=len(cached),
        estimated_seconds=Timekeeper(paces).left_s(rest),
        basis=basis,
        conditions={one.name: counts_of(prepared.items, one) for one in plan.conditions},
        earlier_studies=earlier,
        warnings=warnings_of(params, prepared.dataset, prepared.items, plan, earlier),
    )


def _step(step: Step, paces: Mapping[str, float], *, cached: bool) -> PlannedStep:
    seconds = 0.0 if cached else Timekeeper(paces).left_s([step.work])
    return PlannedStep(step.kind, step.title, step.condition.name, cached, seconds)


def paces_of(newest: ArtifactVersion | None) -> tuple[Mapping[str, float], str]:
    """Seconds per unit of work, and where they are from: the newest study here, else a machine of ours."""
    measured = {} if newest is None else newest.manifest.get("paces") or {}
    if newest is None or not measured:
        return REFERENCE_PACES, f"measured on {REFERENCE_MACHINE}, not here"
    device = (newest.manifest.get("environment") or {}).get("device") or "this installation"
    return {**REFERENCE_PACES, **measured}, f"measured by study {newest.ref} on {device}"
