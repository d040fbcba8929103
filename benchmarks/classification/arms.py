"""The ways of training that are compared.

Every arm of a scenario gets the same number of optimiser steps, however many crops its epochs have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.classification.augmentation import PAPER, Augmentation
from models.classification.preprocessing import Preprocessing
from models.classification.training import TrainingConfig

# Most arms were run before the larger scale had been found to be better.
SMALL = Preprocessing(canvas_px=64, scale=0.8)

# Strong variations need longer: a short run on a left-out line would favour the plain ones.
STEPS = {"known": 500, "without-A2x": 800, "without-V289": 800}


@dataclass(frozen=True)
class Arm:
    """How to train; `normal_ratio` None takes every normal there is (27 : 1), 10.0 thins them to 10 : 1."""

    training: TrainingConfig
    preprocessing: Preprocessing = SMALL
    normal_ratio: float | None = None
    test_time_flips: bool = False


# Batches of 64 and a cosine schedule get in few steps where the paper's constant rate takes many.
_SHORT = TrainingConfig(batch_size=64, schedule="cosine", augmentation=PAPER)
_PLAIN = replace(_SHORT, augmentation=Augmentation())
_SAMPLED = Arm(replace(_SHORT, over_sampling=True))


def _varied(**changes: object) -> Arm:
    return replace(_SAMPLED, training=replace(_SAMPLED.training, augmentation=replace(PAPER, **changes)))


def _canvas(canvas_px: int, scale: float) -> Arm:
    return replace(_SAMPLED, preprocessing=Preprocessing(canvas_px, scale))


_PHYSICS = {"colour_swap": True, "gain": 0.5, "misregistration_px": 1.0}

ARMS: dict[str, Arm] = {
    # What the paper leaves out: simple remedies, with every normal and with 10 : 1.
    "plain": Arm(_PLAIN),
    "paper": Arm(_SHORT),
    "paper-weights": Arm(replace(_SHORT, class_weights=True)),
    "paper-sampled": _SAMPLED,
    "plain-10": Arm(_PLAIN, normal_ratio=10.0),
    "paper-10": Arm(_SHORT, normal_ratio=10.0),
    "paper-weights-10": Arm(replace(_SHORT, class_weights=True), normal_ratio=10.0),
    "paper-sampled-10": replace(_SAMPLED, normal_ratio=10.0),
    # Canvas, scale and background.
    "canvas-48-0.8": _canvas(48, 0.8),
    "canvas-64-1.2": _canvas(64, 1.2),
    "canvas-64-1.6": _canvas(64, 1.6),
    "canvas-96-1.2": _canvas(96, 1.2),
    "keep-background": replace(_SAMPLED, preprocessing=replace(SMALL, background="keep")),
    # What a classifier should not depend on, one by one on top of paper-sampled, then together.
    "swap": _varied(colour_swap=True),
    "gain": _varied(gain=0.5),
    "background": _varied(background=0.1),
    "blur": _varied(blur_px=1.0),
    "misregistration": _varied(misregistration_px=1.0),
    "noise": _varied(noise=0.05),
    "physics": _varied(**_PHYSICS),
}
