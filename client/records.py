"""The things the service answers with, as frozen values.

They accept members they do not know (an older client meets a newer service) and keep them, so that
`as_json` gives back what was received.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

TERMINAL_STATUSES = frozenset({"succeeded", "partial", "failed", "cancelled"})


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values, unknown members included."""
        return self.model_dump(mode="json", by_alias=True)


class ItemError(Record):
    """Why one file or one input failed."""

    code: str
    detail: str = ""


class BatchItem(Record):
    """What became of one uploaded file: `stored`, `duplicate` or `rejected`."""

    filename: str
    status: str
    image_id: str | None = None
    error: ItemError | None = None


class Batch(Record):
    """One upload."""

    id: str
    sample: str
    items: tuple[BatchItem, ...] = ()
    job_id: str | None = None


class ImageFile(Record):
    """One original file of an image; an image of one grey file per channel has several."""

    filename: str
    sha256: str
    size_bytes: int | None = None


class Image(Record):
    """A metaphase.

    `sha256` is that of its only file, or of the set of its files (`client.resuming`).
    """

    id: str
    sample: str
    filename: str
    sha256: str
    height: int
    width: int
    channels: tuple[str, ...]
    bit_depth: int
    slide: str | None = None
    pixel_size_um: float | None = None
    created_at: datetime | None = None
    files: tuple[ImageFile, ...] = ()


class Progress(Record):
    """How far a job is, in `unit`."""

    done: int = 0
    total: int = 0
    unit: str = "items"
    message: str = ""

    @property
    def fraction(self) -> float:
        """Between 0 and 1; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


class Job(Record):
    """A piece of work and its state."""

    id: str
    kind: str
    status: str
    params: dict[str, Any] = Field(default_factory=dict)
    inputs: Any = None
    artifacts: dict[str, str] = Field(default_factory=dict)
    progress: Progress = Progress()
    queue_position: int | None = None
    attempt: int = 0
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    external_id: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the job will not change any more by itself."""
        return self.status in TERMINAL_STATUSES

    @property
    def run_s(self) -> float | None:
        """Seconds between start and end, or None while either is missing."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class JobItem(Record):
    """One input of a job and what became of it."""

    status: str
    input_id: str | None = None
    position: int | None = None
    error: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None


class Prediction(Record):
    """A classifier's probabilities for a crop."""

    classifier: str
    predicted_class: str = Field(alias="class")
    probabilities: dict[str, float] = Field(default_factory=dict)
    job_id: str | None = None


class Crop(Record):
    """One chromosome cut out of a metaphase (or imported, or generated)."""

    id: str
    origin: str
    image_id: str | None = None
    sample: str | None = None
    job_id: str | None = None
    source_crop_id: str | None = None
    label: int | None = None
    bbox: tuple[int, ...] = ()
    area_px: int = 0
    orientation_deg: float | None = None
    length_px: float | None = None
    width_px: float | None = None
    flags: tuple[str, ...] = ()
    crop_class: str | None = Field(default=None, alias="class")
    predictions: tuple[Prediction, ...] = ()


class ArtifactVersion(Record):
    """An immutable version of a segmenter, classifier, generator or filter, with its manifest."""

    kind: str
    name: str
    version: int
    sha256: str | None = None
    manifest: dict[str, Any] = Field(default_factory=dict)
    size_bytes: int | None = None
    created_at: datetime | None = None


class Alias(Record):
    """A movable name of a version."""

    alias: str
    version: int


class Artifact(Record):
    """An artifact's name, its versions and its movable aliases."""

    kind: str
    name: str
    versions: tuple[ArtifactVersion, ...] = ()
    aliases: tuple[Alias, ...] = ()

    def aliases_of(self, version: int) -> list[str]:
        """The names that point at a version now."""
        return [alias.alias for alias in self.aliases if alias.version == version]


class PartHealth(Record):
    """One part that the service leans on."""

    name: str
    ok: bool
    detail: str = ""


class Health(Record):
    """Whether everything that requests need is reachable."""

    ready: bool
    parts: tuple[PartHealth, ...] = ()
