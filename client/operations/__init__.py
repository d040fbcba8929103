"""What a client can ask for, one file per kind of thing; `client.http.Client` is all of them."""

from __future__ import annotations

from client.operations.artifacts import ArtifactOperations
from client.operations.crops import CropOperations
from client.operations.datasets import DatasetOperations
from client.operations.filters import FilterOperations
from client.operations.generation import GenerationOperations
from client.operations.images import ImageOperations
from client.operations.jobs import JobOperations
from client.operations.predictions import PredictionOperations
from client.operations.studies import StudyOperations

__all__ = [
    "ArtifactOperations",
    "CropOperations",
    "DatasetOperations",
    "FilterOperations",
    "GenerationOperations",
    "ImageOperations",
    "JobOperations",
    "PredictionOperations",
    "StudyOperations",
]
