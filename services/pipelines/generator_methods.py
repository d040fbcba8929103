"""The methods by which a generator can be trained: what each makes of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

import models.bridge.network as bridge_network
import models.bridge.official as bridge_official
from models.bridge.ema import EmaConfig
from models.bridge.generator import BridgeSpec
from models.bridge.samplers import Sampling
from models.bridge.training import BridgeConfig, BridgeTrainer
from models.cyclegan.config import CycleganConfig
from models.cyclegan.data import CycleganData
from models.cyclegan.training import CycleganTrainer
from models.generation.pairs import PairedCanvases
from models.generation.trainer import GeneratorTrainer
from services.pipelines.generator_recipe import Recipe

_RECORDS: Final = 100
_MOST_STEPS_A_RECORD: Final = 50
_VALIDATION_BATCH: Final = 16  # what a GPU that trains can hold besides


@dataclass(frozen=True)
class Method:
    """What one method makes of a recipe.

    Attributes
    ----------
    trainer
        Of (N, 3, S, S) uint8 aberrations on a device, from given weights or random ones.
    entries
        Of the manifest: what rebuilds the network and samples from it.
    halved
        The same safetensors with weights as float16.
    """

    trainer: Callable[[Recipe, NDArray[np.uint8], torch.device, bytes | None], GeneratorTrainer]
    entries: Callable[[Recipe], dict[str, Any]]
    halved: Callable[[bytes], bytes]


def validation_loss_of(trainer: GeneratorTrainer, canvases: NDArray[np.uint8]) -> float | None:
    """Measure the bridge's objective on (V, 3, S, S) canvases, always at the same times and noise.

    Returns
    -------
    float or None
        None without a canvas, and for a CycleGAN: its losses are a contest, not a distance.
    """
    if not isinstance(trainer, BridgeTrainer) or len(canvases) == 0:
        return None
    parts = [
        canvases[start : start + _VALIDATION_BATCH] for start in range(0, len(canvases), _VALIDATION_BATCH)
    ]
    return sum(trainer.validation_loss(part) * len(part) for part in parts) / len(canvases)


def record_every(steps: int) -> int:
    """Steps between two records of the history: a hundred of them or more, as long as there are steps."""
    return max(1, min(steps // _RECORDS, _MOST_STEPS_A_RECORD))


def _bridge_trainer(
    recipe: Recipe, aberrations: NDArray[np.uint8], device: torch.device, initial: bytes | None
) -> BridgeTrainer:
    config = _bridge_config(recipe)
    pairs = PairedCanvases(aberrations, seed=recipe.seed, augmentation=recipe.augmentation)
    if initial is None:
        net = bridge_network.build(config.network, seed=recipe.seed)
    else:
        net, _ = bridge_official.from_bytes(initial, config.network.head_channels)
    return BridgeTrainer(net, pairs, config, device)


def _bridge_config(recipe: Recipe) -> BridgeConfig:
    settings = recipe.settings
    return BridgeConfig(
        steps=recipe.steps,
        network=_unet_config(recipe),
        prediction_type=settings["prediction_type"],
        max_variance=settings["max_variance"],
        loss=settings["loss"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        schedule=settings["schedule"],
        warmup_steps=settings["warmup_steps"],
        ema=EmaConfig(settings["ema_decay"], settings["ema_start"], settings["ema_every"]),
        sampling=replace(_sampling(recipe), steps=settings["sample_steps"]),
        preprocessing=recipe.preprocessing,
        record_every=record_every(recipe.steps),
        seed=recipe.seed,
    )


def _unet_config(recipe: Recipe) -> bridge_network.UNetConfig:
    if recipe.network is not None:
        return bridge_network.UNetConfig.from_json(dict(recipe.network))
    config = bridge_network.SIZES[recipe.settings["size"]]
    width = recipe.settings["width"]
    return config if width is None else replace(config, base_channels=width)


def _sampling(recipe: Recipe) -> Sampling:
    """Return how generation jobs sample unless they say otherwise."""
    settings = recipe.settings
    return Sampling(
        settings["sampler"], settings["sampler_steps"], settings["eta"], settings["sampler_order"]
    )


def _bridge_entries(recipe: Recipe) -> dict[str, Any]:
    spec = BridgeSpec(
        recipe.preprocessing,
        _unet_config(recipe),
        recipe.settings["prediction_type"],
        recipe.settings["max_variance"],
        _sampling(recipe),
    )
    return spec.to_json()


def _bridge_halved(weights: bytes) -> bytes:
    """Halve the network's weights; the schedule beside them needs its digits."""
    net, bridge = bridge_official.from_bytes(weights)
    return bridge_official.to_safetensors(net.state_dict(), bridge, net.config, half=True)


def _cyclegan_trainer(
    recipe: Recipe, aberrations: NDArray[np.uint8], device: torch.device, initial: bytes | None
) -> CycleganTrainer:
    if initial is not None:
        raise ValueError("A CycleGAN cannot start from one of its four networks.")
    data = CycleganData(aberrations, seed=recipe.seed, augmentation=recipe.augmentation)
    return CycleganTrainer(data, _cyclegan_config(recipe), device)


def _cyclegan_config(recipe: Recipe) -> CycleganConfig:
    settings = recipe.settings
    return CycleganConfig(
        steps=recipe.steps,
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        cycle_weight=settings["cycle_weight"],
        identity_weight=settings["identity_weight"],
        pool_size=settings["pool_size"],
        generator_width=settings["width"],
        discriminator_width=settings["width"],
        record_every=record_every(recipe.steps),
        seed=recipe.seed,
    )


def _cyclegan_entries(recipe: Recipe) -> dict[str, Any]:
    network = _cyclegan_config(recipe).network(recipe.preprocessing.canvas_px)
    return {"preprocessing": recipe.preprocessing.to_json(), "network": network.to_json()}


def _cyclegan_halved(weights: bytes) -> bytes:
    return safetensors.torch.save(
        {name: tensor.half() for name, tensor in safetensors.torch.load(weights).items()}
    )


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "bbdm": Method(_bridge_trainer, _bridge_entries, _bridge_halved),
        "cyclegan": Method(_cyclegan_trainer, _cyclegan_entries, _cyclegan_halved),
    }
)
