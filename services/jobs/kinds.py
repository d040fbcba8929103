"""The one table of job kinds. A new kind is a line here, a pipeline, and a line in workers.runners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.jobs.errors import PriorityRefusedError, UnknownKindError
from services.jobs.params import (
    ArtifactImportParams,
    ClassificationParams,
    ClassifierTrainingParams,
    DiagnosticParams,
    FilterFittingParams,
    FilteringParams,
    GenerationParams,
    GeneratorTrainingParams,
    JobParams,
    ScoringParams,
    SegmentationParams,
    SegmenterTrainingParams,
    SimulationParams,
    StudyParams,
)
from services.jobs.types import PriorityName, QueueName

# Larger is more urgent. These are the levels that every supported broker keeps apart.
PRIORITY_URGENT: Final = 9
PRIORITY_SAMPLE: Final = 6
PRIORITY_TRAINING: Final = 3
PRIORITY_BACKGROUND: Final = 0
PRIORITIES: Final = (PRIORITY_URGENT, PRIORITY_SAMPLE, PRIORITY_TRAINING, PRIORITY_BACKGROUND)

HOUR_S: Final = 3600


@dataclass(frozen=True)
class KindSpec:
    """How jobs of one kind are validated, routed and limited.

    Attributes
    ----------
    priority
        The level of a job that asks for no other.
    max_attempts
        Attempts in a row that may bring nothing; None takes the setting `job_max_attempts`.
    max_run_s
        Longest run of a single attempt, in seconds.
    unit
        What `progress` counts.
    progress_by_items
        Whether progress is the number of recorded items, or is told by the pipeline.
    artifact_roles
        Artifacts that the job may name, by role, with the artifact's kind.
    """

    kind: str
    queue: QueueName
    priority: int
    params_model: type[JobParams]
    unit: str
    max_run_s: float
    artifact_roles: Mapping[str, str]
    max_attempts: int | None = None
    progress_by_items: bool = True


_SPECS: Final = (
    KindSpec(
        kind="segmentation",
        queue="gpu",
        priority=PRIORITY_SAMPLE,
        params_model=SegmentationParams,
        unit="images",
        max_run_s=24 * HOUR_S,
        artifact_roles=MappingProxyType({"segmenter": "segmenter"}),
    ),
    KindSpec(
        kind="segmenter_training",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=SegmenterTrainingParams,
        unit="epochs",
        max_run_s=48 * HOUR_S,
        artifact_roles=MappingProxyType({"segmenter": "segmenter"}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="classification",
        queue="gpu",
        priority=PRIORITY_SAMPLE,
        params_model=ClassificationParams,
        unit="packs",
        max_run_s=24 * HOUR_S,
        artifact_roles=MappingProxyType({"classifier": "classifier", "filter": "filter"}),
    ),
    KindSpec(
        kind="scoring",
        queue="gpu",
        priority=PRIORITY_SAMPLE,
        params_model=ScoringParams,
        unit="images",
        max_run_s=24 * HOUR_S,
        artifact_roles=MappingProxyType(
            {"segmenter": "segmenter", "classifier": "classifier", "filter": "filter"}
        ),
    ),
    KindSpec(
        kind="classifier_training",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=ClassifierTrainingParams,
        unit="epochs",
        max_run_s=72 * HOUR_S,
        artifact_roles=MappingProxyType({"classifier": "classifier"}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="generation",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=GenerationParams,
        unit="batches",
        max_run_s=72 * HOUR_S,
        artifact_roles=MappingProxyType({"generator": "generator", "classifier": "classifier"}),
    ),
    KindSpec(
        kind="generator_training",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=GeneratorTrainingParams,
        unit="steps",
        max_run_s=72 * HOUR_S,
        artifact_roles=MappingProxyType({"generator": "generator"}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="filter_fitting",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=FilterFittingParams,
        unit="steps",
        max_run_s=24 * HOUR_S,
        artifact_roles=MappingProxyType({"classifier": "classifier"}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="filtering",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=FilteringParams,
        unit="packs",
        max_run_s=24 * HOUR_S,
        artifact_roles=MappingProxyType({"filter": "filter", "classifier": "classifier"}),
    ),
    KindSpec(
        kind="study",
        queue="gpu",
        priority=PRIORITY_TRAINING,
        params_model=StudyParams,
        unit="steps",
        max_run_s=72 * HOUR_S,
        artifact_roles=MappingProxyType({}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="simulation",
        queue="cpu",
        priority=PRIORITY_TRAINING,
        params_model=SimulationParams,
        unit="crops",
        max_run_s=6 * HOUR_S,
        artifact_roles=MappingProxyType({}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="artifact_import",
        queue="cpu",
        priority=PRIORITY_SAMPLE,
        params_model=ArtifactImportParams,
        unit="files",
        max_run_s=HOUR_S,
        artifact_roles=MappingProxyType({}),
        progress_by_items=False,
    ),
    KindSpec(
        kind="diagnostic",
        queue="cpu",
        priority=PRIORITY_URGENT,  # it asks whether the queue moves at all
        params_model=DiagnosticParams,
        unit="items",
        max_run_s=HOUR_S,
        artifact_roles=MappingProxyType({}),
    ),
)

KINDS: Final[Mapping[str, KindSpec]] = MappingProxyType({spec.kind: spec for spec in _SPECS})
LONGEST_RUN_S: Final = max(spec.max_run_s for spec in _SPECS)


def spec_of(kind: str) -> KindSpec:
    """Look a kind up.

    Raises
    ------
    UnknownKindError
        The message names the known ones.
    """
    try:
        return KINDS[kind]
    except KeyError:
        raise UnknownKindError(kind, KINDS) from None


def level_of(spec: KindSpec, priority: PriorityName) -> int:
    """Return the level that a named priority is for a kind.

    Raises
    ------
    PriorityRefusedError
        Only work on samples may be urgent: a training that went before them would hold them up.
    """
    if priority == "normal":
        return spec.priority
    if priority == "background":
        return PRIORITY_BACKGROUND
    if spec.priority < PRIORITY_SAMPLE:
        raise PriorityRefusedError(spec.kind)
    return PRIORITY_URGENT


def priority_name(kind: str, level: int) -> PriorityName:
    """Name a level as `level_of` reads it; a kind of a newer release is called normal."""
    usual = KINDS[kind].priority if kind in KINDS else level
    if level == usual:
        return "normal"
    return "urgent" if level > usual else "background"


def budget_of(kind: str, default: int) -> int:
    """Return how many attempts in a row may bring nothing; `default` where a kind does not say."""
    spec = KINDS.get(kind)
    return (spec.max_attempts if spec else None) or default
