"""Training the bridge's network, a step at a time, so that a caller can stop and resume.

Which pairs a step shows, how they are varied, at which time and with which noise follows from the seed
and the step alone; a run that was cut and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import torch
from torch.nn import functional

from models.bridge import training_state
from models.bridge.ema import EmaConfig, MovingAverage
from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.bridge.network import SIZES, UNet, UNetConfig, laid_out
from models.bridge.official import to_safetensors
from models.bridge.samplers import Sampling
from models.bridge.scheduler import BrownianBridge
from models.classification.preprocessing import Preprocessing
from models.generation.pairs import Batch, PairedCanvases, pair_of
from models.generation.sources import Sources
from models.precision import autocast_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

Loss = Literal["l1", "l2"]
Schedule = Literal["plateau", "cosine"]
_NOISE_STREAM = 0xB02
_VALIDATION_STREAM = 0xB03
_VALIDATION_TIMES = 8
ONE_PROCESS: Final = (0, 1)


@dataclass(frozen=True)
class Plateau:
    """Halve the learning rate when the loss of single batches stops falling; counted in steps."""

    factor: float = 0.5
    patience: int = 3000
    cooldown: int = 3000
    threshold: float = 1e-4
    min_lr: float = 5e-7


@dataclass(frozen=True)
class BridgeConfig:
    """How to train; the defaults are the paper's (appendix A.2), and its official code's.

    Attributes
    ----------
    steps
        Planned optimiser steps.
    schedule
        ``plateau``, or ``cosine``: from the learning rate to zero over the planned steps, after a
        linear rise over the first `warmup_steps`.
    record_every
        Steps between two records of the history.
    sampling
        Of sample grids, and the default of what is trained.
    compiled
        Let torch.compile fuse the network's layers, on CUDA.
    """

    steps: int = 25_400
    network: UNetConfig = SIZES["paper"]
    prediction_type: str = "grad"
    max_variance: float = 1.0
    loss: str = "l1"
    batch_size: int = 8
    learning_rate: float = 1e-4
    schedule: str = "plateau"
    warmup_steps: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    ema: EmaConfig = field(default_factory=EmaConfig)
    sampling: Sampling = field(default_factory=Sampling)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    record_every: int = 50
    seed: int = 0
    precision: str = "auto"
    compiled: bool = True

    def __post_init__(self) -> None:
        """Refuse options that are not known."""
        for name, known in (("loss", get_args(Loss)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; use one of {', '.join(known)}.")
        if self.steps < 1 or self.batch_size < 1 or self.record_every < 1:
            raise ValueError("steps, batch_size and record_every must be positive.")
        if self.preprocessing.canvas_px % self.network.stride:
            raise ValueError(
                f"canvas_px is {self.preprocessing.canvas_px}; this network needs a multiple of "
                f"{self.network.stride}."
            )

    @property
    def spec(self) -> BridgeSpec:
        """What a generator with these weights needs to know."""
        return BridgeSpec(
            self.preprocessing, self.network, self.prediction_type, self.max_variance, self.sampling
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it, readable."""
        return asdict(self) | {"network": self.network.to_json()}


class BridgeTrainer:
    """Holds network, averages, optimiser and data between steps.

    Parameters
    ----------
    net
        Trained in place; `network.build` for a new one.
    pairs
        Of aberrations.
    share
        Rank and number of the processes that train together (torchrun). Each computes its share of
        every batch, and gradients are summed, so the steps are those of a single process.
    """

    def __init__(
        self,
        net: UNet,
        pairs: PairedCanvases,
        config: BridgeConfig,
        device: torch.device,
        *,
        share: tuple[int, int] = ONE_PROCESS,
    ) -> None:
        if config.batch_size < share[1]:
            raise ValueError(f"A batch of {config.batch_size} cannot be shared by {share[1]} processes.")
        self.config = config
        self.device = device
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.net = laid_out(net, device)
        self.average = MovingAverage(self.net, config.ema)
        self.bridge = BrownianBridge(config.prediction_type, max_variance=config.max_variance)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=config.learning_rate, fused=True)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimiser, **asdict(config.plateau))
        self.micro_batch = math.ceil(config.batch_size / share[1])
        self.since_record = (0.0, 0)
        self._pairs = pairs
        self._share = share
        self._autocast = autocast_dtype(config.precision, device)
        compiled = config.compiled and device.type == "cuda"
        self._predict: Callable[..., torch.Tensor] = torch.compile(self.net) if compiled else self.net

    @property
    def planned_steps(self) -> int:
        """How many steps there will be."""
        return self.config.steps

    @property
    def learning_rate(self) -> float:
        """Of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def run(self, num_steps: int, check: Callable[[], None] = lambda: None) -> None:
        """Train at most so many steps further; `check` is called before each."""
        self.net.train()
        for _ in range(min(num_steps, self.planned_steps - self.step)):
            check()
            self._set_learning_rate()
            loss = self._step(self._pairs.batch(self.step, self.config.batch_size))
            self.optimiser.step()
            if self.config.schedule == "plateau":
                self.plateau.step(loss)
            self.step += 1
            self.average.update(self.net, self.step)
            self._record(loss)

    def validation_loss(self, canvases: NDArray[np.uint8]) -> float:
        """Mean loss of the averaged weights on fixed times and noise.

        Parameters
        ----------
        canvases : (N, 3, S, S) uint8
            Held-out aberrations, N ≥ 1.
        """
        rng = np.random.default_rng([_VALIDATION_STREAM, self.config.seed])
        images = torch.from_numpy(canvases).to(torch.float32) / 255.0
        batch = pair_of(images, np.arange(len(canvases)))
        net = self._averaged()
        total = 0.0
        with torch.inference_mode():
            for index in range(_VALIDATION_TIMES):
                # One time from each stretch of the bridge, for every canvas.
                t = (rng.random(len(canvases)) + index) / _VALIDATION_TIMES
                times = (t * self.bridge.num_train_timesteps).astype(np.int64)
                noise = torch.from_numpy(rng.standard_normal(images.shape, np.float32))
                total += float(self._loss(net, batch, torch.from_numpy(times), noise))
        return total / _VALIDATION_TIMES

    def sample(self, sources: Sources, check: Callable[[], None] = lambda: None) -> NDArray[np.uint8]:
        """Generate with the averaged weights; `check` is called before every call of the network."""
        return BridgeGenerator(self.weights(), self.config.spec, self.device).generate(sources, check)

    def weights(self) -> bytes:
        """Safetensors of the averaged weights, under the official names."""
        return to_safetensors(self.average.shadow, self.bridge, self.config.network)

    def checkpoint(self) -> bytes:
        """Everything an exact resume needs, as safetensors (no pickle)."""
        return training_state.pack(self)

    def resume(self, content: bytes) -> None:
        """Continue from the bytes of `checkpoint`, made with the same data and configuration."""
        training_state.unpack(self, content)

    def _averaged(self) -> UNet:
        net = UNet(self.config.network)
        net.load_state_dict(self.average.shadow)
        return laid_out(net, self.device).eval()

    def _step(self, batch: Batch) -> float:
        """Leave the gradient of a whole batch behind; returns its loss.

        If memory runs out, the batch is computed in halves, then quarters: the same gradient.
        """
        rng = np.random.default_rng([_NOISE_STREAM, self.config.seed, self.step])
        times = torch.from_numpy(rng.integers(0, self.bridge.num_train_timesteps, len(batch.rows)))
        noise = torch.from_numpy(rng.standard_normal(tuple(batch.targets.shape), np.float32))
        while True:
            try:
                return self._accumulated(batch, times, noise)
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise
                self.micro_batch = math.ceil(self.micro_batch / 2)
                torch.cuda.empty_cache()

    def _accumulated(self, batch: Batch, times: torch.Tensor, noise: torch.Tensor) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        rank, processes = self._share
        mine = np.arange(rank, len(batch.rows), processes)
        total = torch.zeros((), device=self.device)
        for start in range(0, len(mine), self.micro_batch):
            rows = mine[start : start + self.micro_batch]
            part = Batch(batch.targets[rows], batch.sources[rows], batch.rows[rows])
            weight = len(rows) / len(batch.rows)
            loss = self._loss(self._predict, part, times[rows], noise[rows]) * weight
            loss.backward()
            total += loss.detach()
        if processes > 1:
            self._sum_over_processes(total)
        return float(total)

    def _loss(
        self, net: Callable[..., torch.Tensor], batch: Batch, times: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        x0, y, noise = (self._placed(images) for images in (batch.targets, batch.sources, noise))
        x_t = self.bridge.add_noise(x0, y, noise, times)
        target = self.bridge.target(x0, y, noise, times)
        with torch.autocast(self.device.type, dtype=self._autocast, enabled=self._autocast is not None):
            output = net(x_t, times.to(self.device), y)
        compare = functional.l1_loss if self.config.loss == "l1" else functional.mse_loss
        return compare(output.float(), target)

    def _placed(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(self.device, memory_format=torch.channels_last)

    def _sum_over_processes(self, loss: torch.Tensor) -> None:
        gradients = [parameter.grad for parameter in self.net.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients] + [loss.reshape(1)])
        torch.distributed.all_reduce(flat)
        *parts, summed = flat.split([gradient.numel() for gradient in gradients] + [1])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        loss.copy_(summed[0])

    def _set_learning_rate(self) -> None:
        if self.config.schedule != "cosine":
            return
        done = self.step / self.config.steps
        rise = min(1.0, (self.step + 1) / (self.config.warmup_steps + 1))
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * rise * 0.5 * (1.0 + math.cos(math.pi * done))

    def _record(self, loss: float) -> None:
        total, count = self.since_record
        self.since_record = total, count = total + loss, count + 1
        if count == self.config.record_every or self.step == self.planned_steps:
            record = {"step": self.step, "loss": total / count, "learning_rate": self.learning_rate}
            self.history.append(record)
            self.since_record = (0.0, 0)
