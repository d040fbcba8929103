"""Training CPnet on instance masks: an epoch at a time, so that a caller can stop and resume.

The loss is Cellpose's (Stringer et al., Nature Methods 2021): mean squared error of five times
the flow, halved, plus binary cross-entropy of the foreground. Every crop is drawn from a generator
seeded by (seed, epoch, position), so a resumed run sees exactly what an unbroken one would have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import safetensors.torch
import torch
from torch.nn import functional

from models.epochs import EpochPart
from models.precision import autocast_dtype
from models.segmentation import network
from models.segmentation.augmentation import AugmentationRanges, random_crop
from models.segmentation.flows import flow_targets
from models.segmentation.normalisation import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cellpose.resnet_torch import CPnet
    from numpy.typing import NDArray

FLOW_GAIN = 5.0  # Cellpose scales unit flows by five so that both losses weigh alike


@dataclass(frozen=True)
class LabelledImage:
    """A metaphase with its ground truth.

    Attributes
    ----------
    dapi : (H, W) any real dtype
    masks : (H, W) integer, 0 = background
    overlaps : (H, W) integer, regions shared by two instances, 0 in `masks`
    """

    dapi: NDArray[np.generic]
    masks: NDArray[np.integer[Any]]
    overlaps: NDArray[np.integer[Any]] | None = None


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; the defaults are those of the shipped weights.

    `diameter_px` is the mean diameter of a chromosome (of a disc of equal area) in the labelled
    images; they are rescaled so that it becomes the network's `diam_mean_px`.
    """

    epochs: int = 80
    crops_per_image: int = 4
    crop_px: int = 224
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_epochs: int = 3
    diameter_px: float = 26.0
    seed: int = 0
    precision: str = "auto"
    ranges: AugmentationRanges = field(default_factory=AugmentationRanges)


@dataclass(frozen=True)
class _Prepared:
    image: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]


class SegmenterTrainer:
    """Holds network, optimiser and data between epochs.

    Parameters
    ----------
    net
        The network to train, in place (`network.build` for a new one).
    images
        Labelled metaphases; at least one instance each.
    """

    def __init__(
        self, net: CPnet, images: Sequence[LabelledImage], config: TrainingConfig, device: torch.device
    ) -> None:
        if not images:
            raise ValueError("Training needs at least one labelled image.")
        self.config = config
        self.device = device
        self.epoch = 0
        self.losses: list[float] = []
        self._part = EpochPart()
        self.net = net.to(device=device, memory_format=torch.channels_last)
        self.net.diam_labels.data.fill_(config.diameter_px)
        scale = float(self.net.diam_mean.item()) / config.diameter_px
        self._data = [_prepare(image, scale) for image in images]
        self._optimiser = torch.optim.AdamW(
            [p for p in self.net.parameters() if p.requires_grad],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self._autocast_dtype = autocast_dtype(config.precision, device)

    @property
    def position(self) -> tuple[int, int]:
        """Epochs that are done, and batches of the present one."""
        return self.epoch, self._part.batches

    def run_epoch(self, check: Callable[[], None] = lambda: None) -> float:
        """Train one epoch, or the rest of one, and return its mean loss.

        `check` is called before every batch; if it raises, `checkpoint` keeps the batches before.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self.net.train()
        for images, targets, weights in self._batches(first=self._part.batches):
            check()
            self._part = self._part.plus(self._step(images, targets, weights), len(images))
        self.epoch += 1
        self.losses.append(self._part.mean_loss)
        self._part = EpochPart()
        return self.losses[-1]

    def checkpoint(self) -> bytes:
        """Everything an exact resume needs, as safetensors (no pickle)."""
        tensors = {f"net.{name}": t.detach().cpu().contiguous() for name, t in self.net.state_dict().items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": t.detach().cpu().contiguous() for name, t in state.items()}
        tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        tensors["part"] = self._part.to_tensor()
        return safetensors.torch.save(tensors)

    def resume(self, content: bytes) -> None:
        """Continue from the bytes of `checkpoint`, made with the same data and configuration."""
        tensors = safetensors.torch.load(content)
        self.losses = tensors.pop("losses").tolist()
        self.epoch = len(self.losses)
        self._part = EpochPart.of_tensor(tensors.pop("part", None))
        self.net.load_state_dict({k[4:]: t for k, t in tensors.items() if k.startswith("net.")})
        optimiser_state = self._optimiser.state_dict()
        for key, tensor in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".", 2)
                optimiser_state["state"].setdefault(int(index), {})[name] = tensor
        self._optimiser.load_state_dict(optimiser_state)

    def _learning_rate(self) -> float:
        """Linear warm-up, then a cosine to zero at the planned end."""
        warmup, planned = self.config.warmup_epochs, self.config.epochs
        if self.epoch < warmup:
            return self.config.learning_rate * (self.epoch + 1) / (warmup + 1)
        progress = (self.epoch - warmup) / max(planned - warmup, 1)
        return self.config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))

    def _batches(self, *, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """The epoch's batches from the `first` on: each crop is drawn by its place in the epoch."""
        order_rng = np.random.default_rng([self.config.seed, self.epoch])
        order = order_rng.permutation(np.repeat(np.arange(len(self._data)), self.config.crops_per_image))
        for start in range(first * self.config.batch_size, len(order), self.config.batch_size):
            crops = [
                random_crop(
                    self._data[index].image,
                    self._data[index].target,
                    self._data[index].weight,
                    self.config.crop_px,
                    rng=np.random.default_rng([self.config.seed, self.epoch, position]),
                    ranges=self.config.ranges,
                )
                for position, index in enumerate(order[start : start + self.config.batch_size], start)
            ]
            images, targets, weights = (np.stack(arrays) for arrays in zip(*crops, strict=True))
            grey = np.stack([images, np.zeros_like(images)], axis=1)
            yield torch.from_numpy(grey), torch.from_numpy(targets), torch.from_numpy(weights)

    def _step(self, images: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> float:
        images = images.to(self.device, memory_format=torch.channels_last)
        enabled = self._autocast_dtype is not None
        with torch.autocast(self.device.type, dtype=self._autocast_dtype, enabled=enabled):
            output = self.net(images)[0]
        loss = segmentation_loss(output.float(), targets.to(self.device), weights.to(self.device))
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), max_norm=5.0)
        self._optimiser.step()
        return float(loss.item())


def segmentation_loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cellpose's loss with a weight per pixel.

    Parameters
    ----------
    output : (N, 3, H, W) flow y, flow x (times five), foreground logit
    target : (N, 3, H, W) foreground, unit flow y, unit flow x
    weight : (N, H, W)
    """
    normaliser = weight.sum().clamp_min(1.0)
    flow_error = (output[:, :2] - FLOW_GAIN * target[:, 1:]).square().mean(dim=1) / 2.0
    entropy = functional.binary_cross_entropy_with_logits(output[:, 2], target[:, 0], reduction="none")
    return ((flow_error + entropy) * weight).sum() / normaliser


def new_network(config: TrainingConfig, spec: network.NetworkSpec) -> CPnet:
    """A fresh network whose initial weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return network.build(spec)


def _prepare(labelled: LabelledImage, scale: float) -> _Prepared:
    height, width = labelled.masks.shape
    size = (round(width * scale), round(height * scale))
    image = cv2.resize(normalise(labelled.dapi), size, interpolation=cv2.INTER_LINEAR)
    masks = _resize_labels(labelled.masks, size)
    overlaps = None if labelled.overlaps is None else _resize_labels(labelled.overlaps, size)
    weight = np.ones(masks.shape, np.float32)
    if overlaps is not None:
        weight[overlaps > 0] = 0.25  # two truths in one pixel: learn it, but do not insist
    return _Prepared(np.asarray(image, np.float32), flow_targets(masks, overlaps), weight)


def _resize_labels(labels: NDArray[np.integer[Any]], size: tuple[int, int]) -> NDArray[np.int32]:
    resized = cv2.resize(labels.astype(np.float64), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized).astype(np.int32)
