"""Sizes of a study: what its parameters leave open, for minutes, for hours, and for a GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from models.study.arms import ALL_ARMS, PAPERS_ARM, REFERENCE, ArmName

SizeName = Literal["quick", "cpu", "full"]


@dataclass(frozen=True)
class Settings:
    """Everything that is the same in all arms.

    Attributes
    ----------
    condition_arms, condition_seeds
        Of all conditions but the whole data set.
    canvas_px, scale
        Side of a crop, and canvas pixels per image pixel.
    normal_ratio
        Normals per aberration of the training split that are used; None: all.
    steps, epochs
        Length of a classifier's training: optimiser steps or, where these are None, passes over the real
        training crops of the condition. Synthetic crops never make it longer.
    recipe
        ``paper``: flips, turns and shifts. ``default``: also gains and misregistration.
    generator_preset, cyclegan_preset
        Of generator training; its steps where the next two are None.
    candidates
        Crops that each generator makes at most.
    synthetic_ratio
        Synthetic crops per training aberration at most; None: all that are let in.
    level
        Of the UMAP filter.
    """

    arms: tuple[ArmName, ...]
    num_seeds: int
    condition_arms: tuple[ArmName, ...]
    condition_seeds: int
    canvas_px: int
    scale: float
    normal_ratio: float | None
    steps: int | None
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    recipe: Literal["paper", "default"]
    generator_preset: Literal["paper", "default"]
    generator_steps: int | None
    cyclegan_steps: int | None
    candidates: int
    synthetic_ratio: float | None
    level: float | Literal["weight", "validation"]

    def steps_for(self, real_crops: int) -> int:
        """Optimiser steps of a classifier in a condition with so many real training crops."""
        if self.steps is not None:
            return self.steps
        return math.ceil(self.epochs * real_crops / self.batch_size)

    def to_json(self) -> dict[str, Any]:
        """Return what the report shows."""
        return asdict(self)


_KEY_ARMS: Final[tuple[ArmName, ...]] = (
    REFERENCE,
    "augmented-oversampled",
    "augmented-bbdm",
    PAPERS_ARM,
    "augmented-bbdm-random",
    "augmented-painted",
    "augmented-bbdm-painted",
    "oversampled-bbdm-filtered",
    "oversampled-painted",
)

_FULL: Final = Settings(
    arms=ALL_ARMS,
    num_seeds=10,
    condition_arms=_KEY_ARMS,
    condition_seeds=5,
    canvas_px=64,
    scale=1.6,
    normal_ratio=None,
    steps=None,
    epochs=50,
    batch_size=32,
    learning_rate=1e-3,
    schedule="constant",
    recipe="paper",
    generator_preset="paper",
    generator_steps=None,
    cyclegan_steps=None,
    candidates=40_000,
    synthetic_ratio=None,
    level="weight",
)
# Half the canvas makes everything about four times as fast, and cost no average precision on validation
# in the trials; see docs/results/study.md.
_CPU: Final = replace(
    _FULL,
    num_seeds=3,
    condition_seeds=3,
    canvas_px=32,
    scale=0.8,
    normal_ratio=10.0,
    steps=300,
    batch_size=64,
    schedule="cosine",
    recipe="default",
    generator_preset="default",
    generator_steps=3_000,
    cyclegan_steps=4_000,
    candidates=700,
)
_QUICK: Final = replace(
    _CPU,
    num_seeds=2,
    condition_arms=(REFERENCE, PAPERS_ARM, "augmented-painted"),
    condition_seeds=2,
    steps=30,
    batch_size=32,
    generator_steps=40,
    cyclegan_steps=10,
    candidates=48,
)

SIZES: Final[Mapping[str, Settings]] = MappingProxyType({"quick": _QUICK, "cpu": _CPU, "full": _FULL})
PROVES_NOTHING: Final = frozenset({"quick"})

_SHOWN: Final = MappingProxyType(
    {
        "num_seeds": "networks per arm",
        "canvas_px": "side of a crop, px",
        "normal_ratio": "normals per aberration in training (none: all)",
        "steps": "optimiser steps of a classifier (none: 50 passes)",
        "batch_size": "crops per step",
        "schedule": "learning rate",
        "recipe": "variations of training crops",
        "generator_preset": "network and recipe of the generators",
        "generator_steps": "steps of the Brownian Bridge (none: 200 passes)",
        "cyclegan_steps": "steps of the CycleGAN (none: 200 passes)",
        "candidates": "crops that a generator makes at most",
        "synthetic_ratio": "synthetic crops per aberration at most (none: all)",
    }
)


def settings_of(size: str, named: Mapping[str, Any]) -> Settings:
    """Return the size's settings, changed where a study names something that is not None."""
    known = SIZES[size]
    changed = {name: value for name, value in named.items() if value is not None and hasattr(known, name)}
    return replace(known, **changed)


def reduced(settings: Settings) -> list[dict[str, Any]]:
    """List what is not as in the full size: ``what``, ``here`` and ``paper``."""
    here, paper = asdict(settings), asdict(_FULL)
    return [
        {"what": text, "here": here[name], "paper": paper[name]}
        for name, text in _SHOWN.items()
        if here[name] != paper[name]
    ]
