"""Presets of generator training, and what a job's parameters change in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from models.classification.augmentation import Augmentation
from models.classification.preprocessing import Preprocessing
from models.generation.pairs import FLIPS_AND_TURNS
from services.errors import InvalidInputError
from services.jobs.params import GeneratorTrainingParams

# The paper says nothing of canvas and scale; generators share the classifier's, so that it sees what
# they make pixel by pixel.
_PREPROCESSING = Preprocessing(canvas_px=64, scale=1.6)
_EPOCHS = "epochs"
_STEPS = "steps"
_LENGTHS = (_STEPS, _EPOCHS)
# Where a preset leaves them open: shares of the steps, so that a short training has all phases too.
_EMA_START_SHARE = 0.2
_EMA_MEMORIES = 3  # an average over less of the training than it remembers would lag behind it
_WARMUP_SHARE = 0.05
_MAX_WARMUP_STEPS = 100

PRESETS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = MappingProxyType(
    {
        "bbdm": {
            # Appendix A.2 of the paper; what it leaves open as in the reference code.
            "paper": {
                "epochs": 200,
                "batch_size": 8,
                "learning_rate": 1e-4,
                "size": "paper",
                "prediction_type": "grad",
                "loss": "l1",
                "max_variance": 1.0,
                "schedule": "plateau",
                "warmup_steps": 0,
                "ema_decay": 0.995,
                "ema_start": 30_000,
                "ema_every": 16,
                "sampler": "bbdm",
                "sampler_steps": 200,
                "sampler_order": 2,
                "eta": 1.0,
                "sample_steps": 200,
            },
            # Trains on a CPU in an hour or two; the average starts relative to the steps, because on a small
            # set a fixed start may lie beyond the end.
            "default": {
                "steps": 8_000,
                "batch_size": 8,
                "learning_rate": 5e-4,
                "size": "small",
                "prediction_type": "grad",
                "loss": "l1",
                "max_variance": 1.0,
                "schedule": "cosine",
                "warmup_steps": None,
                "ema_decay": 0.995,
                "ema_start": None,
                "ema_every": 1,
                "sampler": "dbim",
                "sampler_steps": 15,
                "sampler_order": 3,
                "eta": 1.0,
                "sample_steps": 15,
            },
        },
        "cyclegan": {
            # Section 3 of the paper; what it leaves open as in the reference code.
            "paper": {
                "epochs": 200,
                "batch_size": 8,
                "learning_rate": 2e-4,
                "width": 64,
                "cycle_weight": 10.0,
                "identity_weight": 0.5,
                "pool_size": 50,
            },
            # Half the width trains on a CPU; batches of one are what CycleGAN's authors advise.
            "default": {
                "steps": 20_000,
                "batch_size": 1,
                "learning_rate": 2e-4,
                "width": 32,
                "cycle_weight": 10.0,
                "identity_weight": 0.5,
                "pool_size": 50,
            },
        },
    }
)


@dataclass(frozen=True)
class Parent:
    """The generator that a training starts from."""

    ref: str
    manifest: Mapping[str, Any]
    weights: bytes


@dataclass(frozen=True)
class Recipe:
    """How crops become canvases, and how a generator is trained on them.

    Attributes
    ----------
    steps
        Optimiser steps.
    settings
        Everything else that a preset holds, by the names of the job's parameters.
    network
        Size of the network as a manifest keeps it, where a parent decides it.
    """

    method: str
    preprocessing: Preprocessing
    augmentation: Augmentation
    steps: int
    num_aberrations: int
    seed: int
    settings: Mapping[str, Any]
    network: Mapping[str, Any] | None = None

    @property
    def epochs(self) -> float:
        """How often every aberration is seen."""
        return float(self.steps * self.settings["batch_size"] / self.num_aberrations)

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest keeps."""
        return {
            "steps": self.steps,
            "epochs": round(self.epochs, 2),
            "flips": self.augmentation.flips,
            "rotation_deg": self.augmentation.rotation_deg,
            "seed": self.seed,
            **self.settings,
        }


def preprocessing_of(params: GeneratorTrainingParams, parent: Parent | None = None) -> Preprocessing:
    """Return how crops become canvases: as the job says, else as the parent's did, else the presets'."""
    base = _PREPROCESSING if parent is None else Preprocessing.from_json(parent.manifest["preprocessing"])
    return Preprocessing(
        params.canvas_px or base.canvas_px, params.scale or base.scale, params.background or base.background
    )


def recipe_of(params: GeneratorTrainingParams, num_aberrations: int, parent: Parent | None = None) -> Recipe:
    """Resolve a job's preset; fields that the job names win.

    Parameters
    ----------
    num_aberrations
        Training canvases: epochs become steps with it.
    """
    preset = PRESETS[params.method][params.preset]
    settings = {name: value for name, value in preset.items() if name not in _LENGTHS}
    settings.setdefault("width", None)
    settings |= _inherited(parent)
    settings |= {name: value for name in settings if (value := getattr(params, name, None)) is not None}
    steps = _steps_of(params, preset, settings["batch_size"], num_aberrations)
    settings |= _relative_to(steps, settings)
    return Recipe(
        method=params.method,
        preprocessing=preprocessing_of(params, parent),
        augmentation=_augmentation_of(params),
        steps=steps,
        num_aberrations=num_aberrations,
        seed=params.seed,
        settings=settings,
        network=None if parent is None else parent.manifest["network"],
    )


def differences_from_paper(recipe: Recipe) -> dict[str, list[Any]]:
    """Return what is not as in the paper, or as in its reference code where the paper is silent.

    Returns
    -------
    dict
        Name to this recipe's value and the paper's.
    """
    paper = PRESETS[recipe.method]["paper"]
    own = {**recipe.settings, _EPOCHS: round(recipe.epochs, 2)}
    differs = {name: [own[name], value] for name, value in paper.items() if own[name] != value}
    # Whole steps seldom make whole epochs.
    if _steps_for(paper[_EPOCHS], recipe.settings["batch_size"], recipe.num_aberrations) == recipe.steps:
        differs.pop(_EPOCHS, None)
    if recipe.network is not None:
        differs["size"] = ["its parent's", paper["size"]]
    elif own.get("size") and own["width"]:
        differs["width"] = [own["width"], "as the size says"]
    return differs


def parent_of(
    params: GeneratorTrainingParams, ref: str, manifest: Mapping[str, Any], read: Callable[[], bytes]
) -> Parent:
    """Check that a training can start from a generator, then read its weights.

    Raises
    ------
    InvalidInputError
        It is of another method or predicts something else, or the job names another network.
    """
    if manifest.get("method") != params.method:
        raise InvalidInputError(
            f"{ref} is a {manifest.get('method')} generator, and this training is of {params.method}.",
            "generator",
        )
    predicts = manifest["bridge"]["prediction_type"]
    if params.prediction_type not in (None, predicts):
        raise InvalidInputError(
            f"{ref} predicts {predicts}; it cannot go on with {params.prediction_type}.", "prediction_type"
        )
    named = [name for name in ("size", "width") if getattr(params, name) is not None]
    if named:
        raise InvalidInputError(
            f"The network's size is that of {ref}, from which it starts: leave {named[0]} out.", named[0]
        )
    return Parent(ref, manifest, read())


def _inherited(parent: Parent | None) -> dict[str, Any]:
    """Settings that the weights to start from decide."""
    if parent is None:
        return {}
    bridge = parent.manifest["bridge"]
    return {"size": None, **{name: bridge[name] for name in ("prediction_type", "max_variance")}}


def _relative_to(steps: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what a preset leaves open because it depends on how long the training is."""
    filled: dict[str, Any] = {}
    if settings.get("warmup_steps", 0) is None:
        filled["warmup_steps"] = min(_MAX_WARMUP_STEPS, round(_WARMUP_SHARE * steps))
    if settings.get("ema_start", 0) is None:
        memory = settings["ema_every"] / (1.0 - settings["ema_decay"])
        start = round(_EMA_START_SHARE * steps)
        # From beyond the end on: never.
        filled["ema_start"] = start if steps - start >= _EMA_MEMORIES * memory else steps + 1
    return filled


def _steps_of(
    params: GeneratorTrainingParams, preset: Mapping[str, Any], batch_size: int, num_aberrations: int
) -> int:
    if params.steps is not None:
        return params.steps
    epochs = params.epochs if params.epochs is not None else preset.get(_EPOCHS)
    if epochs is None:
        steps: int = preset[_STEPS]
        return steps
    return _steps_for(epochs, batch_size, num_aberrations)


def _steps_for(epochs: float, batch_size: int, num_aberrations: int) -> int:
    return math.ceil(epochs * num_aberrations / batch_size)


def _augmentation_of(params: GeneratorTrainingParams) -> Augmentation:
    return Augmentation(
        flips=FLIPS_AND_TURNS.flips if params.flips is None else params.flips,
        rotation_deg=FLIPS_AND_TURNS.rotation_deg if params.rotation_deg is None else params.rotation_deg,
    )
