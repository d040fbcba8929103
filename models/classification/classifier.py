"""A trained network at work: canvases in, calibrated probabilities and embeddings out.

Libraries choose other kernels for other batch sizes, and their sums differ in the last bits. Here
every call to the network has the same shape, filled up with black canvases, so that a crop's scores
are the same bits alone or in any batch, on the same device with the same number of threads. Another
device, or another version of torch, agrees to about 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.classification import network
from models.classification.preprocessing import Preprocessing, PreprocessingError
from models.precision import same_bits
from models.state_files import WeightsError, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CLASSES: tuple[str, str] = ("normal", "aberration")
ABERRATION = CLASSES.index("aberration")
# A metaphase has about 46 chromosomes: three batches, hardly filled up.
BATCH_ON_CPU = 16
BATCH_ON_CUDA = 256
DEFAULT_THRESHOLD = 0.5
_MIRRORS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))


class ClassifierError(ValueError):
    """The network gave something that is no score."""

    code: ClassVar[str] = "classification_failed"
    title: ClassVar[str] = "Classification failed"


@dataclass(frozen=True)
class ClassifierSpec:
    """What belongs to a network besides its weights.

    Attributes
    ----------
    preprocessing
        How crops become canvases.
    mean, std
        Per channel, of canvases in [0, 1]: the network sees (canvas - mean) / std.
    temperature
        Logits are divided by it before they become probabilities (Guo et al., ICML 2017).
    threshold
        Least calibrated probability of an aberration.
    test_time_flips
        Whether features are averaged over the four mirrored views.
    """

    preprocessing: Preprocessing
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    temperature: float = 1.0
    threshold: float = DEFAULT_THRESHOLD
    test_time_flips: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entries."""
        return {
            "preprocessing": self.preprocessing.to_json()
            | {"normalisation": {"mean": list(self.mean), "std": list(self.std)}},
            "calibration": {"temperature": self.temperature, "threshold": self.threshold},
            "test_time_flips": self.test_time_flips,
        }

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> ClassifierSpec:
        """Read the entries that `to_json` made; raises `KeyError` if one is missing."""
        normalisation = manifest["preprocessing"]["normalisation"]
        return cls(
            preprocessing=Preprocessing.from_json(manifest["preprocessing"]),
            mean=tuple(normalisation["mean"]),
            std=tuple(normalisation["std"]),
            temperature=float(manifest["calibration"]["temperature"]),
            threshold=float(manifest["calibration"]["threshold"]),
            test_time_flips=bool(manifest["test_time_flips"]),
        )


@dataclass(frozen=True)
class Scores:
    """What a network says of N crops.

    Attributes
    ----------
    logits : (N, 2) float32
        Normal, aberration; before calibration.
    probabilities : (N,) float64
        Of an aberration, calibrated.
    embeddings : (N, 512) float32
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    embeddings: NDArray[np.float32]


class Classifier:
    """A ResNet-18 with its preprocessing and calibration, ready on a device.

    Parameters
    ----------
    weights
        As `network.to_safetensors` writes them.
    spec
        From the artifact's manifest.

    Raises
    ------
    WeightsError
        The bytes are no weights of a two-class ResNet-18.
    """

    def __init__(self, weights: bytes, spec: ClassifierSpec, device: torch.device) -> None:
        net = network.from_bytes(weights)
        if net.fc.out_features != len(CLASSES):
            raise WeightsError(
                f"The network has {net.fc.out_features} classes, a classifier of translocations has 2: "
                "it is a starting point for training."
            )
        self.spec = spec
        self.device = device
        self.weights_sha256 = sha256_of(weights)
        self._batch = BATCH_ON_CUDA if device.type == "cuda" else BATCH_ON_CPU
        self._net = _folded(net).to(device)
        self._head = self._net.fc
        self._blocked = device.type == "cpu" and torch.backends.mkldnn.is_available()
        if self._blocked:
            # oneDNN's own layout from the first convolution to the last: a fifth faster, the same sums.
            _block(self._net)
        self._mean = torch.tensor(spec.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(spec.std, device=device).view(1, 3, 1, 1)

    @property
    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights (2, 512) and biases (2,) of the layer that makes logits of embeddings."""
        return self._head.weight.detach().cpu().numpy(), self._head.bias.detach().cpu().numpy()

    def score(self, canvases: NDArray[np.uint8]) -> Scores:
        """Classify and embed canvases.

        Parameters
        ----------
        canvases : (N, 3, S, S) uint8
            Made with this classifier's preprocessing; N may be 0.

        Raises
        ------
        PreprocessingError
            The canvases have another size than this network's.
        ClassifierError
            A score is not finite.
        """
        side = self.spec.preprocessing.canvas_px
        if canvases.shape[1:] != (3, side, side):
            raise PreprocessingError(
                f"Canvases are {canvases.shape[1:]}, this classifier takes (3, {side}, {side})."
            )
        logits = np.empty((len(canvases), len(CLASSES)), np.float32)
        embeddings = np.empty((len(canvases), network.NUM_FEATURES), np.float32)
        with torch.inference_mode(), same_bits(self.device):
            for start in range(0, len(canvases), self._batch):
                part = canvases[start : start + self._batch]
                features, scored = self._run(part)
                embeddings[start : start + len(part)] = features[: len(part)]
                logits[start : start + len(part)] = scored[: len(part)]
        if not (np.isfinite(logits).all() and np.isfinite(embeddings).all()):
            raise ClassifierError("The network's scores are not finite; its weights are damaged.")
        return Scores(logits, probabilities(logits, self.spec.temperature), embeddings)

    def _run(self, part: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score up to a batch of canvases in a call of the full batch's shape."""
        full = torch.zeros((self._batch, *part.shape[1:]), dtype=torch.uint8)
        full[: len(part)] = torch.from_numpy(np.ascontiguousarray(part))
        images = (full.to(self.device).to(torch.float32) / 255.0 - self._mean) / self._std
        mirrors = _MIRRORS if self.spec.test_time_flips else _MIRRORS[:1]
        features = torch.zeros((self._batch, network.NUM_FEATURES), device=self.device)
        for axes in mirrors:
            view = images.flip(axes) if axes else images
            features += self._features(view)
        features = features / len(mirrors)
        return features.cpu().numpy(), self._head(features).cpu().numpy()

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        if not self._blocked:
            return self._net.features(images)
        return self._net.features(images.to_mkldnn()).to_dense()


def probabilities(logits: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Calibrated probability of an aberration.

    Parameters
    ----------
    logits : (N, 2)

    Returns
    -------
    (N,) float64
    """
    margin = (logits[:, ABERRATION].astype(np.float64) - logits[:, 1 - ABERRATION]) / temperature
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)), np.float64)  # the sigmoid, without overflow


def _folded(net: network.ResNet18) -> network.ResNet18:
    """Fold every batch normalisation into the convolution before it: the same function, fewer passes."""
    net.eval()
    _fold(net, "conv1", "bn1")
    for module in net.modules():
        if isinstance(module, network.BasicBlock):
            _fold(module, "conv1", "bn1")
            _fold(module, "conv2", "bn2")
            if module.downsample is not None:
                _fold(module.downsample, "0", "1")
    return net


def _fold(parent: torch.nn.Module, conv: str, norm: str) -> None:
    fused = fuse_conv_bn_eval(
        cast("torch.nn.Conv2d", getattr(parent, conv)), cast("torch.nn.BatchNorm2d", getattr(parent, norm))
    )
    setattr(parent, conv, fused)
    setattr(parent, norm, torch.nn.Identity())


class _BlockedConv2d(torch.nn.Module):
    """A convolution whose weights lie as oneDNN wants them; images come and go in its layout."""

    def __init__(self, conv: torch.nn.Conv2d) -> None:
        super().__init__()
        # Padding, stride, dilation, groups.
        self._geometry: tuple[Any, ...] = (conv.padding, conv.stride, conv.dilation, conv.groups)
        weight, bias = conv.weight.detach().to_mkldnn(), conv.bias
        reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001 - torch has no public name for it
        self._weight: torch.Tensor = reorder(weight, *self._geometry)
        self._bias = None if bias is None else bias.detach().to_mkldnn()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve images in oneDNN's layout."""
        return torch.mkldnn_convolution(images, self._weight, self._bias, *self._geometry)


def _block(net: torch.nn.Module) -> None:
    """Replace every convolution by its blocked form."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Conv2d):
                setattr(parent, name, _BlockedConv2d(child))
