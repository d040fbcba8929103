"""Presets of classifier training, and what a job's parameters change in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from models.classification.augmentation import PAPER, Augmentation
from models.classification.preprocessing import Preprocessing
from models.classification.training import TrainingConfig
from services.jobs.params import ClassifierTrainingParams


@dataclass(frozen=True)
class Recipe:
    """How crops become canvases, and how a network is trained on them."""

    preprocessing: Preprocessing
    training: TrainingConfig
    test_time_flips: bool = False


# The paper says nothing of canvas and scale; both presets share what was measured (docs/results).
_PREPROCESSING = Preprocessing(canvas_px=64, scale=1.6)

PRESETS: Final = MappingProxyType(
    {
        # Appendix B.2 and section 3.2 of the paper.
        "paper": Recipe(_PREPROCESSING, TrainingConfig(augmentation=PAPER)),
        # What generalised best to a cell line that was left out: docs/results/classification.md.
        "default": Recipe(
            _PREPROCESSING,
            TrainingConfig(
                epochs=8,
                batch_size=64,
                schedule="cosine",
                augmentation=replace(PAPER, gain=0.5, misregistration_px=1.0),
                over_sampling=True,
            ),
        ),
    }
)


def recipe_of(params: ClassifierTrainingParams, seed: int) -> Recipe:
    """Resolve a job's preset; fields that the job names win.

    Parameters
    ----------
    seed
        Of this network: a job may train several.
    """
    preset = PRESETS[params.preset]
    augmentation = params.augmentation
    named = {
        name: value
        for name in (
            *("epochs", "batch_size", "learning_rate", "schedule", "weight_decay"),
            *("class_weights", "over_sampling"),
        )
        if (value := getattr(params, name)) is not None
    }
    training = replace(preset.training, **named, patience_epochs=params.patience_epochs, seed=seed)
    if augmentation is not None:
        training = replace(training, augmentation=Augmentation(**augmentation.model_dump()))
    background: Literal["zero", "keep"] = params.background or preset.preprocessing.background
    preprocessing = Preprocessing(
        canvas_px=params.canvas_px or preset.preprocessing.canvas_px,
        scale=params.scale or preset.preprocessing.scale,
        background=background,
    )
    flips = preset.test_time_flips if params.test_time_flips is None else params.test_time_flips
    return Recipe(preprocessing, training, flips)
