"""What a client can ask for, one file per kind of thing; `client.http.Client` is all of them."""

from __future__ import annotations

from client.operations.access import AccessOperations
from client.operations.artifacts import ArtifactOperations
from client.operations.crops import CropOperations
from client.operations.datasets import DatasetOperations
from client.operations.filters import FilterOperations
from client.operations.generation import GenerationOperations
from client.operations.images import ImageOperations
from client.operations.jobs import JobOperations
from client.operations.predictions import PredictionOperations
from client.operations.studies import StudyOperations
from client.operations.webhooks import WebhookOperations

__all__ = [
    "AccessOperations",
    "ArtifactOperations",
    "CropOperations",
    "DatasetOperations",
    "FilterOperations",
    "GenerationOperations",
    "ImageOperations",
    "JobOperations",
    "PredictionOperations",
    "StudyOperations",
    "WebhookOperations",
]
