"""The quality report of a generation job: figures, and the pictures that go with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.generation.sources import DAPI
from models.quality.report import MAX_CROPS, CropSet, QualityReport, quality_report
from models.quality.stopping import never_stop
from services.pipelines.quality_pictures import (
    MAX_STRIPS,
    diversity_png,
    histograms_png,
    ssim_png,
    strips_png,
)

_SHOWN = 15


@dataclass(frozen=True)
class QualityFiles:
    """What a generation job keeps of its quality.

    Attributes
    ----------
    report
        `QualityReport.to_json`, plain numbers.
    pictures
        PNG files by name without an ending: ``max_ssim``, ``samples``, ``most_alike``, ``least_alike``,
        ``copies``, ``histograms``, ``diversity``.
    """

    report: dict[str, Any]
    pictures: dict[str, bytes]


def build_quality(
    *,
    generated: NDArray[np.uint8],
    masks: NDArray[np.bool_],
    sources: NDArray[np.uint8],
    source_ids: Sequence[str],
    real: NDArray[np.uint8],
    real_masks: NDArray[np.bool_],
    real_ids: Sequence[str],
    embeddings_generated: NDArray[np.float32] | None = None,
    embeddings_real: NDArray[np.float32] | None = None,
    real_names: Sequence[str] | None = None,
    generator: str = "synthetic",
    seed: int = 0,
    max_generated: int = MAX_CROPS,
    check: Callable[[], None] = never_stop,
) -> QualityFiles:
    """Measure and draw the crops of a generation job against the real ones its generator learned from.

    Parameters
    ----------
    generated, sources : (N, 3, S, S) uint8
        Synthetic crops, and the canvas that each was made from.
    masks : (N, S, S) bool
    source_ids : (N,)
        The sources' crop ids; one that was used several times is there several times.
    real : (M, 3, S, S) uint8
        Real aberrations.
    real_masks : (M, S, S) bool
    real_ids : (M,)
        Their crop ids.
    embeddings_generated, embeddings_real : (N, D), (M, D) float32
        The classifier's; without both of them the report has no distances between embeddings.
    real_names : (M,)
        Chromosomes of the real crops, where one is there in several pictures; such pictures are then not
        compared with each other, which would make the yardstick too lenient.
    generator
        What the pictures call the synthetic crops.
    seed
        Of the choice of crops and of resampling.
    max_generated
        Of more synthetic crops this many are chosen, whatever their order.
    check
        Called now and then; may raise to stop.

    Raises
    ------
    ValueError
        There is no synthetic or no real crop, or arrays do not fit each other.
    """
    if sources.shape != generated.shape:
        raise ValueError(f"Sources {sources.shape} are not those of the synthetic crops {generated.shape}.")
    report = quality_report(
        CropSet(generated, masks, source_ids, embeddings=embeddings_generated),
        CropSet(real, real_masks, real_ids, real_names, embeddings_real),
        seed=seed,
        max_generated=max_generated,
        check=check,
    )
    check()
    crops = _Shown(generated[report.rows], sources[report.rows], real[report.real_rows])
    pictures = {
        "max_ssim": ssim_png({generator: report.ssim.values}, report.real_ssim.values),
        "histograms": histograms_png(
            {"real": report.histograms.real, generator: report.histograms.generated}
        ),
        "diversity": diversity_png({"real": report.real_diversity, generator: report.generated_diversity}),
        **_galleries(report, crops),
    }
    return QualityFiles(report.to_json(), pictures)


@dataclass(frozen=True)
class _Shown:
    """Crops that were looked at, in the report's order."""

    generated: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    real: NDArray[np.uint8]

    def strips(self, rows: NDArray[np.int64], nearest: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
        """Source, synthetic crop and nearest real one of some rows."""
        source = np.repeat(self.sources[rows][:, DAPI : DAPI + 1], 3, axis=1)
        return {"source": source, "synthetic": self.generated[rows], "nearest real": self.real[nearest[rows]]}


def _galleries(report: QualityReport, crops: _Shown) -> dict[str, bytes]:
    """Draw crops that nobody chose, the most and the least alike, and the copies."""
    nearest, values = report.ssim.nearest, report.ssim.values
    by_likeness = np.argsort(-values, kind="stable")
    chosen = {
        "samples": (np.arange(min(_SHOWN, len(values))), "Samples that chance chose"),
        "most_alike": (by_likeness[:_SHOWN], "The most similar to a real crop"),
        "least_alike": (by_likeness[::-1][:_SHOWN], "The least similar to any real crop"),
    }
    pictures = {
        name: strips_png(crops.strips(rows, nearest), [f"max SSIM {values[row]:.3f}" for row in rows], title)
        for name, (rows, title) in chosen.items()
    }
    copies = report.copies
    flagged = np.flatnonzero(copies.copies)
    flagged = flagged[np.argsort(-copies.likeness[flagged], kind="stable")]
    told = [
        f"SSIM {copies.likeness[row]:.3f} once turned"
        + ("\nfrom a training crop" if copies.from_training_source[row] else "")
        for row in flagged
    ]
    pictures["copies"] = strips_png(crops.strips(flagged, copies.nearest), told, _title_of_copies(report))
    return pictures


def _title_of_copies(report: QualityReport) -> str:
    """Say how many copies there are, or that there is none."""
    copies, looked_at = int(report.copies.copies.sum()), len(report.rows)
    if np.isnan(report.copies.threshold):
        return "Copies were not looked for: one real chromosome sets no threshold"
    limit = f"SSIM {report.copies.threshold:.3f}"
    if copies == 0:
        return f"None of {looked_at} samples is a copy of a real crop (nearer than {limit} once turned)"
    first = f"; the {MAX_STRIPS} nearest" if copies > MAX_STRIPS else ""
    return f"{copies} of {looked_at} samples are nearer than {limit} to a real crop{first}"
