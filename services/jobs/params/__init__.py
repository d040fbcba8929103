"""What a client may ask of each kind of job: validated parameters with units and bounds.

A ``…Params`` model is what is stored in `jobs.params` and read by the pipeline. A ``…Request`` adds
the kind, the inputs' selection and the artifacts: it is the body of ``POST /v1/jobs``, and the API
resolves its selection and references before it submits.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from services.jobs.params.artifact_import import ArtifactImportParams
from services.jobs.params.base import (
    ARTIFACT_NAME,
    ARTIFACT_REF,
    DATASET_REF,
    MAX_CROPS_PER_JOB,
    MAX_IMAGES_PER_JOB,
    ImageSelection,
    JobParams,
    params_of,
)
from services.jobs.params.classification import (
    AugmentationParams,
    ClassificationParams,
    ClassificationRequest,
    ClassifierTrainingParams,
    ClassifierTrainingRequest,
    ScoringParams,
    ScoringRequest,
)
from services.jobs.params.diagnostic import MAX_DIAGNOSTIC_ITEMS, DiagnosticParams, DiagnosticRequest
from services.jobs.params.filtering import (
    FilterFittingParams,
    FilterFittingRequest,
    FilteringParams,
    FilteringRequest,
)
from services.jobs.params.generation import (
    MAX_SYNTHETIC_CROPS,
    GenerationParams,
    GenerationRequest,
)
from services.jobs.params.generator_training import GeneratorTrainingParams, GeneratorTrainingRequest
from services.jobs.params.segmentation import (
    SegmentationParams,
    SegmentationRequest,
    SegmenterTrainingParams,
    SegmenterTrainingRequest,
)
from services.jobs.params.simulation import MAX_SIMULATED_CROPS, SimulationParams, SimulationRequest
from services.jobs.params.study import StudyParams, StudyRequest

JobRequest = Annotated[
    SegmentationRequest
    | SegmenterTrainingRequest
    | ClassificationRequest
    | ClassifierTrainingRequest
    | ScoringRequest
    | GenerationRequest
    | GeneratorTrainingRequest
    | FilterFittingRequest
    | FilteringRequest
    | StudyRequest
    | SimulationRequest
    | DiagnosticRequest,
    Field(discriminator="kind"),
]

__all__ = [
    "ARTIFACT_NAME",
    "ARTIFACT_REF",
    "DATASET_REF",
    "MAX_CROPS_PER_JOB",
    "MAX_DIAGNOSTIC_ITEMS",
    "MAX_IMAGES_PER_JOB",
    "MAX_SIMULATED_CROPS",
    "MAX_SYNTHETIC_CROPS",
    "ArtifactImportParams",
    "AugmentationParams",
    "ClassificationParams",
    "ClassificationRequest",
    "ClassifierTrainingParams",
    "ClassifierTrainingRequest",
    "DiagnosticParams",
    "DiagnosticRequest",
    "FilterFittingParams",
    "FilterFittingRequest",
    "FilteringParams",
    "FilteringRequest",
    "GenerationParams",
    "GenerationRequest",
    "GeneratorTrainingParams",
    "GeneratorTrainingRequest",
    "ImageSelection",
    "JobParams",
    "JobRequest",
    "ScoringParams",
    "ScoringRequest",
    "SegmentationParams",
    "SegmentationRequest",
    "SegmenterTrainingParams",
    "SegmenterTrainingRequest",
    "SimulationParams",
    "SimulationRequest",
    "StudyParams",
    "StudyRequest",
    "params_of",
]
