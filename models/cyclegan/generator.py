"""A trained CycleGAN at work: DAPI canvases in, synthetic aberrations out.

As in `models.classification.classifier`, every call to the network has the same shape, filled up with
black canvases, so that a crop gives the same bits alone or in any batch, on one device with one
number of threads. There is no noise: a source always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.classification.preprocessing import Preprocessing
from models.cyclegan import network
from models.generation.errors import GenerationError
from models.generation.pairs import source_of, to_bytes, to_signed
from models.precision import same_bits
from models.state_files import WeightsError, read_state, sha256_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.generation.sources import Sources

BATCH_ON_CPU = 4  # time per canvas hardly depends on it, and little is lost in filling up
BATCH_ON_CUDA = 64


@dataclass(frozen=True)
class CycleganSpec:
    """What belongs to a generator besides its weights.

    Attributes
    ----------
    preprocessing
        How crops become canvases.
    network
        Size of the generator.
    """

    preprocessing: Preprocessing
    network: network.GeneratorConfig

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entries."""
        return {"preprocessing": self.preprocessing.to_json(), "network": self.network.to_json()}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> CycleganSpec:
        """Read the entries that `to_json` made; raises `KeyError` if one is missing."""
        return cls(
            Preprocessing.from_json(manifest["preprocessing"]),
            network.GeneratorConfig.from_json(manifest["network"]),
        )


class CycleganGenerator:
    """The generator from DAPI to colours, ready on a device.

    Parameters
    ----------
    weights
        As `network.to_safetensors` writes them, of the generator from DAPI to colours.
    spec
        From the artifact's manifest.

    Raises
    ------
    WeightsError
        The bytes are no weights of a generator of that size.
    ValueError
        No CycleGAN takes canvases of the spec's size.
    """

    def __init__(self, weights: bytes, spec: CycleganSpec, device: torch.device) -> None:
        network.check_side(spec.preprocessing.canvas_px)
        net = network.from_state_dict(read_state(weights))
        if net.config != spec.network:
            raise WeightsError(f"The weights are of {net.config}, the manifest says {spec.network}.")
        self.spec = spec
        self.device = device
        self.weights_sha256 = sha256_of(weights)
        self._net = net.to(device)

    def generate(self, sources: Sources, check: Callable[[], None] = lambda: None) -> NDArray[np.uint8]:
        """Generate one canvas per source, from its DAPI alone.

        Sample numbers and the seed change nothing: several samples of one source are copies.

        Parameters
        ----------
        sources
            N canvases, made with this generator's preprocessing; N may be 0.
        check
            Called before every call to the network; may raise to stop.

        Returns
        -------
        (N, 3, S, S) uint8
            Red, green, DAPI; black off the mask.

        Raises
        ------
        GenerationError
            The canvases have another size than this network's, or a picture is not finite.
        """
        side = self.spec.preprocessing.canvas_px
        if sources.canvases.shape[-1] != side:
            raise GenerationError(
                f"Canvases are {sources.canvases.shape[-1]} px wide, this generator takes {side} px."
            )
        return translate(self._net, sources, self.device, check)


def translate(
    net: network.Generator,
    sources: Sources,
    device: torch.device,
    check: Callable[[], None] = lambda: None,
) -> NDArray[np.uint8]:
    """Let a network that lies on a device translate DAPI, in float32; see `CycleganGenerator.generate`."""
    size = BATCH_ON_CUDA if device.type == "cuda" else BATCH_ON_CPU
    made = np.zeros_like(sources.canvases)
    with torch.inference_mode(), same_bits(device):
        for start in range(0, len(sources), size):
            check()
            part = sources.canvases[start : start + size]
            full = np.zeros((size, *part.shape[1:]), np.uint8)
            full[: len(part)] = part
            images = net(source_of(to_signed(full)).contiguous().to(device))[: len(part)]
            if not bool(torch.isfinite(images).all()):
                raise GenerationError("The network's pictures are not finite; its weights are damaged.")
            made[start : start + len(part)] = to_bytes(images)
    return made * sources.masks[:, None]
