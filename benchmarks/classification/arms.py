"""The ways of training that are compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.classification.augmentation import PAPER, Augmentation
from models.classification.preprocessing import Preprocessing
from models.classification.training import TrainingConfig


@dataclass(frozen=True)
class Arm:
    """How to train; `normal_ratio` None takes every normal there is (the natural ratio, 27 : 1)."""

    training: TrainingConfig
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    normal_ratio: float | None = 10.0
    test_time_flips: bool = False


# Batches of 64 and a cosine schedule reach in 15 epochs what the paper's constant rate needs longer for.
_SHORT = TrainingConfig(epochs=15, batch_size=64, schedule="cosine", augmentation=PAPER)
_BASE = Arm(_SHORT)


def _varied(**changes: object) -> Arm:
    return Arm(replace(_SHORT, augmentation=replace(PAPER, **changes)))


def _canvas(canvas_px: int, scale: float) -> Arm:
    return replace(_BASE, preprocessing=Preprocessing(canvas_px, scale))


ARMS: dict[str, Arm] = {
    "plain": Arm(replace(_SHORT, augmentation=Augmentation())),
    "flips": Arm(replace(_SHORT, augmentation=Augmentation(flips=True))),
    "paper": _BASE,
    # Canvas and scale.
    "canvas-48-0.6": _canvas(48, 0.6),
    "canvas-64-0.6": _canvas(64, 0.6),
    "canvas-64-1.2": _canvas(64, 1.2),
    "canvas-64-1.6": _canvas(64, 1.6),
    "canvas-96-1.2": _canvas(96, 1.2),
    "keep-background": replace(_BASE, preprocessing=Preprocessing(background="keep")),
    # What a classifier should not depend on, one by one on top of the paper's.
    "swap": _varied(colour_swap=True),
    "gain": _varied(gain=1.0),
    "background": _varied(background=0.15),
    "blur": _varied(blur_px=1.2),
    "misregistration": _varied(misregistration_px=1.5),
    "noise": _varied(noise=0.08),
}
