"""The tables. Rows are suffixed ``Row``; repositories map them to frozen dataclasses.

Heavy things live in the object store; here is only what is queried, and the keys.
"""

from __future__ import annotations

from services.db.tables.access import ApiKeyRow, AuditRow, IdempotencyKeyRow
from services.db.tables.artifacts import ArtifactAliasRow, ArtifactVersionRow
from services.db.tables.base import Base, JsonObject
from services.db.tables.crops import (
    CropAnnotationRow,
    CropRow,
    EmbeddingSetRow,
    PredictionRow,
    SegmentationRow,
    SyntheticCropRow,
)
from services.db.tables.datasets import DatasetItemRow, DatasetVersionRow
from services.db.tables.filters import FilterScoreRow
from services.db.tables.images import BatchRow, ImageMasksRow, ImageRow
from services.db.tables.jobs import JobItemRow, JobRow, JobTotalsRow
from services.db.tables.uploads import UploadRow
from services.db.tables.webhooks import WebhookDeliveryRow, WebhookRow

__all__ = [
    "ApiKeyRow",
    "ArtifactAliasRow",
    "ArtifactVersionRow",
    "AuditRow",
    "Base",
    "BatchRow",
    "CropAnnotationRow",
    "CropRow",
    "DatasetItemRow",
    "DatasetVersionRow",
    "EmbeddingSetRow",
    "FilterScoreRow",
    "IdempotencyKeyRow",
    "ImageMasksRow",
    "ImageRow",
    "JobItemRow",
    "JobRow",
    "JobTotalsRow",
    "JsonObject",
    "PredictionRow",
    "SegmentationRow",
    "SyntheticCropRow",
    "UploadRow",
    "WebhookDeliveryRow",
    "WebhookRow",
]
