"""Training a CycleGAN step by step, so that a caller can stop after any step and resume.

What a step sees and draws follows from the seed and the step alone; a run that was cut and resumed
ends with the same weights as one that was not, bit for bit on a CPU. On CUDA the gradient of mirrored
edges is summed in any order, and two runs agree as far as rounding lets them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import safetensors.torch
import torch

from models.cyclegan import network
from models.cyclegan.collapse import relative_diversity
from models.cyclegan.data import UnpairedBatch
from models.cyclegan.errors import TrainingError
from models.cyclegan.generator import translate
from models.cyclegan.losses import CycleganNetworks, GeneratorLosses, discriminator_loss, generator_losses
from models.cyclegan.pool import ImagePool
from models.generation.sources import DAPI, Sources
from models.precision import autocast_dtype
from models.state_files import under

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.cyclegan.config import CycleganConfig
    from models.cyclegan.data import CycleganData

# Means since the last record; domain a is DAPI, domain b the colours (see `losses`).
MEANS: Final = (
    "loss_generator",
    *("loss_gan_a", "loss_gan_b", "loss_cycle_a", "loss_cycle_b", "loss_identity_a", "loss_identity_b"),
    *("loss_discriminator_a", "discriminator_real_a", "discriminator_fake_a"),
    *("loss_discriminator_b", "discriminator_real_b", "discriminator_fake_b"),
)
RECORD: Final = ("step", "learning_rate", *MEANS, "generated_diversity")
NUM_WATCHED = 16
_POOL_STREAM = 0xC1C
_BETA2 = 0.999
_ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


class CycleganTrainer:
    """Holds networks, optimisers, pools and data between steps.

    Parameters
    ----------
    data
        Aberrations as two domains.
    config
        How to train.

    Attributes
    ----------
    step
        Optimiser steps done.
    history
        One record of the names in `RECORD` per `config.record_every` steps, and one at the end.
        ``generated_diversity`` is that of 16 training canvases, in units of their real colours'; see
        `collapse.relative_diversity`.

    Raises
    ------
    ValueError
        The canvases are of a size that the networks cannot take.
    """

    def __init__(self, data: CycleganData, config: CycleganConfig, device: torch.device) -> None:
        self.canvas_px = int(data.canvases.shape[-1])
        network.check_side(self.canvas_px)
        self.config = config
        self.device = device
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._data = data
        self._autocast_dtype = autocast_dtype(config.precision, device)
        # Pays with bfloat16 and on GPUs only: float32 on a CPU is slower with it.
        self._layout = (
            torch.channels_last if self._autocast_dtype or device.type == "cuda" else torch.contiguous_format
        )
        self._nets = CycleganNetworks(config, self.canvas_px).to(device)
        for parameter in self._nets.parameters():
            parameter.data = self._laid_out(parameter.data)
        self._optimisers = {
            name: torch.optim.Adam(
                parameters, lr=config.learning_rate, betas=(config.beta1, _BETA2), fused=True
            )
            for name, parameters in (
                ("generators", self._nets.generators()),
                ("discriminators", self._nets.discriminators()),
            )
        }
        self._pools = {"a": ImagePool(config.pool_size), "b": ImagePool(config.pool_size)}
        self._sums = torch.zeros(len(MEANS), dtype=torch.float64, device=device)
        self._summed = 0
        self._watched = _watched(data.canvases)

    @property
    def planned_steps(self) -> int:
        """How many steps there will be."""
        return self.config.steps

    @property
    def network_config(self) -> network.GeneratorConfig:
        """Size of the generators, as the manifest keeps it."""
        return self._nets.to_colours.config

    def run(self, num_steps: int, check: Callable[[], None] = lambda: None) -> None:
        """Train at most so many steps further, not beyond the planned ones; `check` comes before each.

        Raises
        ------
        TrainingError
            A loss is not finite, or the device has too little memory.
        """
        for _ in range(min(num_steps, self.planned_steps - self.step)):
            check()
            try:
                self._train(self._data.batch(self.step, self.config.batch_size))
            except torch.OutOfMemoryError as error:
                raise TrainingError(
                    f"Memory does not suffice for batch_size {self.config.batch_size} at "
                    f"{self.canvas_px} px and generator_width {self.config.generator_width}; use a smaller "
                    "batch_size (CycleGAN's authors advise 1)."
                ) from error
            self.step += 1
            if self.step % self.config.record_every == 0 or self.step == self.planned_steps:
                self._record()

    def weights(self) -> bytes:
        """Safetensors of the generator from DAPI to colours."""
        return network.to_safetensors(self._nets.to_colours)

    def sample(self, sources: Sources, check: Callable[[], None] = lambda: None) -> NDArray[np.uint8]:
        """Generate with the present weights: (N, 3, S, S) uint8."""
        return translate(self._nets.to_colours, sources, self.device, check)

    def checkpoint(self) -> bytes:
        """Everything an exact resume needs, as safetensors (no pickle)."""
        tensors = {f"net.{name}": tensor for name, tensor in self._nets.state_dict().items()}
        for kind, optimiser in self._optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"{kind}.{index}.{name}": state[name] for name in _ADAM_STATE}
        for domain, pool in self._pools.items():
            images = pool.state()
            if images is not None:
                tensors[f"pool.{domain}"] = images
        rows = [[record[name] for name in RECORD] for record in self.history]
        tensors["history"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(RECORD))
        tensors["sums"] = self._sums
        tensors["counts"] = torch.tensor([self.step, self._summed])
        return safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in tensors.items()})

    def resume(self, content: bytes) -> None:
        """Continue from the bytes of `checkpoint`, made with the same data and configuration."""
        tensors = safetensors.torch.load(content)
        self._nets.load_state_dict(under("net.", tensors))
        for kind, optimiser in self._optimisers.items():
            state = optimiser.state_dict()
            for key, tensor in under(f"{kind}.", tensors).items():
                index, name = key.split(".", 1)
                state["state"].setdefault(int(index), {})[name] = self._laid_out(tensor)
            optimiser.load_state_dict(state)
        for domain, pool in self._pools.items():
            images = tensors.get(f"pool.{domain}")
            pool.restore(None if images is None else images.to(self.device))
        self.history = [dict(zip(RECORD, row, strict=True)) for row in tensors["history"].tolist()]
        self._sums = tensors["sums"].to(self.device)
        self.step, self._summed = tensors["counts"].tolist()

    def _train(self, batch: UnpairedBatch) -> None:
        """One step of the generators, then one of the discriminators."""
        batch = UnpairedBatch(self._placed(batch.dapi), self._placed(batch.colours))
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self.config.learning_rate_at(self.step)
        made = self._train_generators(batch)
        judged = self._train_discriminators(batch, made)
        values = {"loss_generator": made.total, **made.parts, **judged}
        self._sums += torch.stack([values[name].detach().double() for name in MEANS])
        self._summed += 1

    def _train_generators(self, batch: UnpairedBatch) -> GeneratorLosses:
        # The discriminators judge, but do not learn from it: their gradients need not be computed.
        for parameter in self._nets.discriminators():
            parameter.requires_grad = False
        with self._autocast():
            made = generator_losses(self._nets, batch, self.config)
        self._minimise("generators", made.total)
        for parameter in self._nets.discriminators():
            parameter.requires_grad = True
        return made

    def _train_discriminators(self, batch: UnpairedBatch, made: GeneratorLosses) -> dict[str, torch.Tensor]:
        """Return losses and mean judgements by their names in the history."""
        rng = np.random.default_rng([_POOL_STREAM, self.config.seed, self.step])
        values: dict[str, torch.Tensor] = {}
        for domain, judge, real, fake in (
            ("a", self._nets.judge_dapi, batch.dapi, made.fake_a),
            ("b", self._nets.judge_colours, batch.colours, made.fake_b),
        ):
            shown = self._placed(self._pools[domain].exchange(fake.detach().float(), rng))
            with self._autocast():
                loss, of_real, of_fake = discriminator_loss(judge, real, shown)
            values[f"loss_discriminator_{domain}"] = loss
            values[f"discriminator_real_{domain}"] = of_real
            values[f"discriminator_fake_{domain}"] = of_fake
        self._minimise("discriminators", values["loss_discriminator_a"] + values["loss_discriminator_b"])
        return values

    def _minimise(self, kind: str, loss: torch.Tensor) -> None:
        optimiser = self._optimisers[kind]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def _record(self) -> None:
        means = (self._sums / self._summed).tolist()
        if not np.isfinite(means).all():
            raise TrainingError(
                f"A loss is not finite at step {self.step}: training diverged. Use a lower learning_rate, "
                "or precision 'float32'."
            )
        generated = self.sample(self._watched)
        self.history.append(
            {
                "step": float(self.step),
                "learning_rate": self.config.learning_rate_at(self.step - 1),
                **dict(zip(MEANS, means, strict=True)),
                "generated_diversity": relative_diversity(generated, self._watched.canvases),
            }
        )
        self._sums.zero_()
        self._summed = 0

    def _autocast(self) -> torch.autocast:
        enabled = self._autocast_dtype is not None
        return torch.autocast(self.device.type, dtype=self._autocast_dtype, enabled=enabled)

    def _placed(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(self.device).contiguous(memory_format=self._layout)

    def _laid_out(self, tensor: torch.Tensor) -> torch.Tensor:
        """Lay a convolution's weights, or what the optimiser keeps of them, out as images are.

        The fused optimiser walks through memory: weights and moments must lie alike.
        """
        is_convolution = tensor.ndim == 4  # noqa: PLR2004 - out, in, height, width
        return tensor.contiguous(memory_format=self._layout) if is_convolution else tensor


def _watched(canvases: NDArray[np.uint8]) -> Sources:
    """Choose the canvases whose generated colours are watched, evenly among all."""
    rows = np.linspace(0, len(canvases) - 1, min(NUM_WATCHED, len(canvases))).astype(np.int64)
    chosen = canvases[rows]
    return Sources(chosen, chosen[:, DAPI] > 0, [str(row) for row in rows], [0] * len(rows))
