"""The trained bridge at work: DAPI of chromosomes in, synthetic aberrations out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from models.bridge.network import UNetConfig, laid_out
from models.bridge.official import from_bytes
from models.bridge.samplers import Sampling, sample
from models.bridge.scheduler import NUM_TRAIN_TIMESTEPS, BrownianBridge
from models.classification.preprocessing import Preprocessing
from models.generation.errors import GenerationError
from models.generation.pairs import source_of, to_bytes, to_signed
from models.generation.sources import Sources
from models.precision import autocast_dtype, same_bits
from models.state_files import WeightsError, sha256_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Every call has this many crops, padded: the sums, and so the pictures, depend on it.
BATCH_ON_CPU: Final = 8
BATCH_ON_CUDA: Final = 64


@dataclass(frozen=True)
class BridgeSpec:
    """What belongs to the weights of a bridge: canvas, size, meaning, and how to sample by default."""

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    network: UNetConfig = field(default_factory=UNetConfig)
    prediction_type: str = "grad"
    max_variance: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    num_train_timesteps: int = NUM_TRAIN_TIMESTEPS

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        return {
            "preprocessing": self.preprocessing.to_json(),
            "network": self.network.to_json(),
            "bridge": {
                "prediction_type": self.prediction_type,
                "max_variance": self.max_variance,
                "num_train_timesteps": self.num_train_timesteps,
            },
            "sampling": self.sampling.to_json(),
        }

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> BridgeSpec:
        """Read what `to_json` wrote, among whatever else is in a manifest."""
        return cls(
            preprocessing=Preprocessing.from_json(manifest["preprocessing"]),
            network=UNetConfig.from_json(manifest["network"]),
            sampling=Sampling(**manifest["sampling"]),
            **manifest["bridge"],
        )

    @property
    def bridge(self) -> BrownianBridge:
        """The schedule."""
        return BrownianBridge(
            self.prediction_type,
            max_variance=self.max_variance,
            num_train_timesteps=self.num_train_timesteps,
        )


class BridgeGenerator:
    """A trained U-Net on a device.

    Parameters
    ----------
    weights
        As `official.to_safetensors` writes them, or an official checkpoint.
    spec
        From the artifact's manifest; its `network` must be that of the weights.
    precision
        ``auto``: bfloat16 where the hardware multiplies it natively.

    Raises
    ------
    WeightsError
        The bytes are no weights of this network.
    """

    def __init__(
        self, weights: bytes, spec: BridgeSpec, device: torch.device, *, precision: str = "auto"
    ) -> None:
        net, _ = from_bytes(weights, spec.network.head_channels)
        if net.config != spec.network:
            raise WeightsError(f"The weights are of {net.config}, the manifest says {spec.network}.")
        self.spec = spec
        self.sampling = spec.sampling
        self.device = device
        self.weights_sha256 = sha256_of(weights)
        self._net = laid_out(net, device)
        self._bridge = spec.bridge
        self._autocast = autocast_dtype(precision, device)
        self._batch = BATCH_ON_CUDA if device.type == "cuda" else BATCH_ON_CPU

    def using(self, sampling: Sampling) -> BridgeGenerator:
        """Return the same network with another way to sample."""
        other = copy(self)
        other.sampling = sampling
        return other

    def generate(self, sources: Sources, check: Callable[[], None] = lambda: None) -> NDArray[np.uint8]:
        """Generate one canvas per source.

        A crop gives the same bits in any batch on one kind of device: every call of the network has
        the same shape, and each crop draws its noise from a generator of its own.

        Parameters
        ----------
        check
            Called before every call of the network; what it raises ends the generation.

        Returns
        -------
        (N, 3, S, S) uint8
            Red, green, DAPI; black off the mask where the bridge learned from such pictures.

        Raises
        ------
        GenerationError
            The canvases have another size than this generator's, or a picture is not finite.
        """
        side = self.spec.preprocessing.canvas_px
        if sources.canvases.shape[1:] != (3, side, side):
            raise GenerationError(
                f"Canvases are {sources.canvases.shape[1:]}, this generator takes (3, {side}, {side})."
            )
        generated = np.zeros_like(sources.canvases)
        generators = sources.generators()
        with torch.inference_mode(), same_bits(self.device):
            for start in range(0, len(sources), self._batch):
                part = slice(start, start + self._batch)
                generated[part] = self._walk(sources.canvases[part], generators[part], check)
        if self.spec.preprocessing.background == "zero":
            generated *= sources.masks[:, None]
        return generated

    def _walk(
        self,
        canvases: NDArray[np.uint8],
        generators: list[np.random.Generator],
        check: Callable[[], None],
    ) -> NDArray[np.uint8]:
        """Sample up to a batch of canvases in calls of the full batch's shape."""
        count = len(canvases)
        full = np.zeros((self._batch, *canvases.shape[1:]), np.uint8)
        full[:count] = canvases
        y = source_of(to_signed(full)).to(self.device, memory_format=torch.channels_last)

        def noise() -> torch.Tensor:
            drawn = np.zeros(full.shape, np.float32)
            for row, generator in enumerate(generators):
                generator.standard_normal(out=drawn[row], dtype=np.float32)
            return torch.from_numpy(drawn).to(self.device, memory_format=torch.channels_last)

        def denoise(x_t: torch.Tensor, t: int) -> torch.Tensor:
            check()
            times = torch.full((self._batch,), t, device=self.device)
            with torch.autocast(self.device.type, dtype=self._autocast, enabled=self._autocast is not None):
                output = self._net(x_t, times, y)
            return self._bridge.predict_x0(output.float(), x_t, y, times).clamp(-1.0, 1.0)

        images = sample(self.sampling, self._bridge, denoise, y, noise)[:count]
        if not bool(torch.isfinite(images).all()):
            raise GenerationError("The network's pictures are not finite; its weights are damaged.")
        return to_bytes(images)
