"""The things the service answers with, as frozen values.

They accept members they do not know (an older client meets a newer service) and keep them, so that
`as_json` gives back what was received.
"""

from __future__ import annotations

from client.records.access import ApiKey, AuditEntry
from client.records.artifacts import Alias, Artifact, ArtifactVersion
from client.records.base import Record
from client.records.crops import (
    Crop,
    CropClass,
    CropOrigin,
    CropSort,
    Embedding,
    Neighbour,
    PredictedClass,
    PredictedCrop,
    Prediction,
    Reason,
    Suggestion,
)
from client.records.datasets import Dataset, DatasetItem
from client.records.filters import FilterCount, FilterDifference, Filtering, FilterScore, Score, Scores
from client.records.generation import Quality, Synthetic
from client.records.images import Batch, BatchItem, Image, ImageFile, ItemError
from client.records.jobs import TERMINAL_STATUSES, Job, JobItem, Progress
from client.records.studies import PlannedStep, Study, StudyPlan
from client.records.system import Health, PartHealth
from client.records.uploads import Link, Links, Upload
from client.records.webhooks import Delivery, Webhook

__all__ = [
    "TERMINAL_STATUSES",
    "Alias",
    "ApiKey",
    "Artifact",
    "ArtifactVersion",
    "AuditEntry",
    "Batch",
    "BatchItem",
    "Crop",
    "CropClass",
    "CropOrigin",
    "CropSort",
    "Dataset",
    "DatasetItem",
    "Delivery",
    "Embedding",
    "FilterCount",
    "FilterDifference",
    "FilterScore",
    "Filtering",
    "Health",
    "Image",
    "ImageFile",
    "ItemError",
    "Job",
    "JobItem",
    "Link",
    "Links",
    "Neighbour",
    "PartHealth",
    "PlannedStep",
    "PredictedClass",
    "PredictedCrop",
    "Prediction",
    "Progress",
    "Quality",
    "Reason",
    "Record",
    "Score",
    "Scores",
    "Study",
    "StudyPlan",
    "Suggestion",
    "Synthetic",
    "Upload",
    "Webhook",
]
