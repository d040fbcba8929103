"""What the demonstration found: everything that the table and the page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from client.demo.samples import SampleNote
from client.members import members, number
from client.records import ArtifactVersion, Crop, FilterCount, Image, Job, JobItem
from client.uploading import UploadReport


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One metaphase and what was found in it.

    Attributes
    ----------
    preview, overlay
        Files of the report folder.
    crops
        Its chromosomes; the picture of each is ``crops/<id>.png``.
    expected
        How many chromosomes the data set's own masks show, where there are such masks.
    note
        What the images' owner says of it, where that is known.
    """

    image: Image
    item: JobItem
    preview: Path
    overlay: Path
    crops: tuple[Crop, ...]
    expected: int | None = None
    note: SampleNote | None = None

    @property
    def touching(self) -> int:
        """Chromosomes that touch another."""
        return sum("touching" in crop.flags for crop in self.crops)

    @property
    def marked(self) -> int:
        """Chromosomes that the segmentation put any mark on."""
        return sum(bool(crop.flags) for crop in self.crops)

    @property
    def flagged(self) -> tuple[Crop, ...]:
        """Chromosomes that the classifier takes for aberrant, most suspicious first."""
        return tuple(sorted((crop for crop in self.crops if is_flagged(crop)), key=by_suspicion))

    @property
    def highest(self) -> float | None:
        """The highest probability of an aberration, or None where nothing was classified."""
        return max((crop.probability for crop in self.crops if crop.probability is not None), default=None)

    @property
    def seconds(self) -> float | None:
        """Computing time, where the service tells it."""
        value = (self.item.outputs or {}).get("seconds")
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True, slots=True)
class SyntheticResult:
    """What one generator made of some of the chromosomes; nothing of it counts for the metaphases.

    Attributes
    ----------
    job
        The generation, however it ended.
    strip
        Picture of the synthetic crops below their sources; None if the job made none.
    """

    generator: ArtifactVersion
    job: Job
    strip: Path | None

    @property
    def crops(self) -> int:
        """How many were made."""
        value = (self.job.result or {}).get("crops")
        return int(value) if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class FilteredResult:
    """Which synthetic crops a filter takes for such as it knows.

    Attributes
    ----------
    job
        The filtering, however it ended.
    counts
        Crops before and after, by generator; empty if the job failed.
    page
        Its map; None if there is none.
    """

    filter: ArtifactVersion
    job: Job
    counts: Mapping[str, FilterCount] = field(default_factory=dict)
    page: Path | None = None


@dataclass(frozen=True, slots=True)
class DemoResult:
    """All metaphases of one run.

    Attributes
    ----------
    classifier
        None if the service has none; then chromosomes were found, but not classified.
    channels
        Files with one grey channel of a crop, by the crop's id and the channel's name.
    synthetic
        What each generator in production made of some of the chromosomes.
    filtered
        What the filter in production says of that; None without a filter or without synthetic crops.
    """

    folder: Path
    images: tuple[ImageResult, ...]
    failed: tuple[JobItem, ...]
    job: Job
    segmenter: ArtifactVersion
    uploaded: UploadReport
    upload_s: float
    wait_s: float
    classifier: ArtifactVersion | None = None
    channels: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    synthetic: tuple[SyntheticResult, ...] = ()
    filtered: FilteredResult | None = None

    @property
    def threshold(self) -> float | None:
        """Least probability of a flagged chromosome."""
        value = (self.job.result or {}).get("threshold")
        return float(value) if isinstance(value, int | float) else None


def share_beyond(job: Job) -> float | None:
    """Share of a job's crops that lie farther from the filter's training data than 99 % of that itself."""
    return number(members(members(job.result).get("drift")).get("beyond_p99"))


def is_flagged(crop: Crop) -> bool:
    """Whether the classifier takes a crop for aberrant."""
    return crop.predicted_class == "aberration"


def by_suspicion(crop: Crop) -> tuple[float, float, int]:
    """Sort key: probable aberrations first, then long chromosomes, as in a karyogram."""
    return -(crop.probability or 0.0), -(crop.length_px or 0.0), -crop.area_px
