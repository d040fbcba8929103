"""What a manifest that comes with an uploaded classifier may say of it: shapes and bounds, checked.

What makes a score besides the weights (canvas, normalisation, temperature, flips) is here too. It belongs
to the network, but cannot be told from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from models.classification.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE
from models.classification.classifier import CLASSES
from models.classification.preprocessing import CANVAS_CHANNELS
from services.pipelines.claims import ArtifactClaims, Count, DatasetClaims, Names, Share, Text, Told

Temperature = Annotated[float, Field(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)]
Unit = Literal["crops", "chromosomes"]


def _exactly(words: tuple[str, ...]) -> AfterValidator:
    def check(told: list[str]) -> list[str]:
        if tuple(told) != words:
            raise ValueError(f"Only {', '.join(words)}, in this order.")
        return told

    return AfterValidator(check)


class NormalisationClaims(Told):
    """Mean and standard deviation of red, green and DAPI on canvases in [0, 1]."""

    model_config = ConfigDict(extra="forbid")

    mean: list[Share] = Field(min_length=3, max_length=3)
    std: list[Annotated[float, Field(ge=1e-4, le=1)]] = Field(min_length=3, max_length=3)


class PreprocessingClaims(Told):
    """How crops become canvases; an entry that is not known here would make other ones."""

    model_config = ConfigDict(extra="forbid")

    canvas_px: int = Field(ge=32, le=256, multiple_of=16)
    scale: float = Field(gt=0.05, le=8)
    background: Literal["zero", "keep"]
    channels: Annotated[list[str], _exactly(CANVAS_CHANNELS)]
    normalisation: NormalisationClaims


class CalibrationClaims(Told):
    """What makes probabilities and verdicts of logits."""

    temperature: Temperature
    temperature_reason: Text | None = None
    threshold: Share
    threshold_reason: Text | None = None
    nll_before: float | None = None
    nll_after: float | None = None


class TrainingClaims(Told):
    """What it learnt from."""

    job_id: Text | None = None
    normal: Count
    aberration: Count
    groups: Names
    seeds: list[int] = Field([])
    kept_seed: int | None = None
    kept_epoch: int | None = None
    device: Text | None = None


class ConfusionClaims(Told):
    """Right and wrong verdicts."""

    true_positives: Count
    false_positives: Count
    false_negatives: Count
    true_negatives: Count


class FigureClaims(Told):
    """A figure with its interval, None where it is undefined."""

    value: Share | None
    low: Share | None = None
    high: Share | None = None
    resamples: Count = 0


class LevelClaims(Told):
    """Figures of crops, or of chromosomes."""

    count: Count
    aberrations: Count
    confusion: ConfusionClaims
    precision: FigureClaims
    recall: FigureClaims
    f1: FigureClaims
    average_precision: FigureClaims
    roc_auc: FigureClaims
    brier: FigureClaims
    ece_before: FigureClaims
    ece_after: FigureClaims


class GroupClaims(Told):
    """Figures of one slide or subject."""

    group: Text
    count: Count
    aberrations: Count
    precision: Share | None
    recall: Share | None
    average_precision: Share | None


class BootstrapClaims(Told):
    """What the intervals were drawn from."""

    unit: Text
    groups: Count
    few_groups: bool
    resamples: Count
    level: Share


class EvaluationClaims(Told):
    """How well it did on one split."""

    threshold: Share
    temperature: Temperature
    crops: LevelClaims
    chromosomes: LevelClaims
    groups: list[GroupClaims]
    bootstrap: BootstrapClaims


class SpreadClaims(Told):
    """A figure over seeds."""

    mean: float | None
    std: float | None
    count: Count


class StartClaims(ArtifactClaims):
    """What is kept of the manifest of a starting point."""

    trained: Literal[False]


class Claims(ArtifactClaims):
    """What is kept of the manifest of a trained classifier."""

    trained: Literal[True]
    architecture: Literal["resnet18"]
    classes: Annotated[list[str], _exactly(CLASSES)]
    preprocessing: PreprocessingClaims
    calibration: CalibrationClaims
    test_time_flips: bool
    dataset: DatasetClaims | None = None
    training: TrainingClaims | None = None
    recipe: dict[str, Any] | None = None
    metrics: dict[str, EvaluationClaims] | None = None
    seeds: dict[str, dict[Unit, dict[str, SpreadClaims]]] | None = None
    training_data: Text | None = None
    hardware: Text | None = None
