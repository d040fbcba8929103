"""The Python client and the command line: they speak HTTP and share no code with the service.

Start with `client.Client`; ``python -m client --help`` is the same from a shell.
"""

from __future__ import annotations

from client.errors import ClientError, ConnectionFailedError, ProblemError
from client.http import Client
from client.records import (
    ApiKey,
    ArtifactVersion,
    AuditEntry,
    Batch,
    Crop,
    Dataset,
    FilterDifference,
    Filtering,
    Image,
    Job,
    JobItem,
    PredictedCrop,
    Quality,
    Scores,
)
from client.retries import RetryPolicy
from client.uploading import UploadReport

__all__ = [
    "ApiKey",
    "ArtifactVersion",
    "AuditEntry",
    "Batch",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "Crop",
    "Dataset",
    "FilterDifference",
    "Filtering",
    "Image",
    "Job",
    "JobItem",
    "PredictedCrop",
    "ProblemError",
    "Quality",
    "RetryPolicy",
    "Scores",
    "UploadReport",
]
