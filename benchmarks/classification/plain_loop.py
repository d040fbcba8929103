"""What one writes without Karyobridge: PNG files, a Dataset, a DataLoader, an eager ResNet-18.

Crops were cut and masked beforehand, so that the loop starts from what classifiers usually start
from. The same canvas, the same variations and the same network as ours, in ordinary PIL and torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from models.classification.network import ResNet18
from models.classification.preprocessing import WHITE
from models.segmentation.crops import CropPack

BATCH = 32
LEARNING_RATE = 1e-3
_SHIFT_PX = 4


@dataclass(frozen=True)
class PngCrops(Dataset[tuple[torch.Tensor, int]]):
    """Crops from files, on a square canvas, normalised; varied at random if `train`."""

    files: Sequence[Path]
    labels: Sequence[int]
    canvas_px: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: bool = False

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Read, resize, vary, pad, and turn into a tensor."""
        with Image.open(self.files[index]) as file:
            crop = file.convert("RGB")
        scale = min(self.scale, (self.canvas_px - 2) / math.hypot(*crop.size))
        size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
        crop = crop.resize(size, Image.Resampling.BILINEAR)
        canvas = Image.new("RGB", (self.canvas_px, self.canvas_px))
        corner = [(self.canvas_px - length) // 2 for length in size]
        if self.train:
            corner = [at + int(torch.randint(-_SHIFT_PX, _SHIFT_PX + 1, ())) for at in corner]
        canvas.paste(crop, (corner[0], corner[1]))
        if self.train:
            canvas = _varied(canvas)
        pixels = torch.from_numpy(np.array(canvas)).permute(2, 0, 1).to(torch.float32).div(WHITE)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std, self.labels[index]


def write_pngs(pack: CropPack, levels: NDArray[np.float32], folder: Path, prefix: str) -> list[Path]:
    """Write each crop as an RGB file, cut to its chromosome, black around it.

    Parameters
    ----------
    pack
        Channels red, green, dapi.
    levels : (3, 2) float32
        Grey levels that become 0 and 255.
    """
    files = []
    black, white = levels[:, 0, None, None], levels[:, 1, None, None]
    for index in range(len(pack)):
        pixels = np.clip((pack.pixels[index] - black) / (white - black), 0.0, 1.0) * pack.masks[index]
        rows, cols = np.nonzero(pack.masks[index])
        cut = pixels[:, rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
        files.append(folder / f"{prefix}_{index:04d}.png")
        Image.fromarray(np.rint(cut * WHITE).astype(np.uint8).transpose(1, 2, 0)).save(files[-1])
    return files


def loader(dataset: PngCrops, workers: int) -> DataLoader[tuple[torch.Tensor, int]]:
    """Build a DataLoader with batches of 32, shuffled for training."""
    return DataLoader(dataset, BATCH, shuffle=dataset.train, num_workers=workers)


def probabilities(net: ResNet18, batches: Iterator[list[torch.Tensor]]) -> NDArray[np.float32]:
    """Probability of the second class of every crop, (N,) float32."""
    net.eval()
    with torch.inference_mode():
        scored = [torch.softmax(net(images), dim=1)[:, 1] for images, _ in batches]
    return torch.cat(scored).numpy()


def train_epoch(
    net: ResNet18, optimiser: torch.optim.Optimizer, batches: Iterator[list[torch.Tensor]]
) -> float:
    """Train one epoch; returns the sum of the batches' losses."""
    net.train()
    total = 0.0
    for images, labels in batches:
        loss = functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item()
    return total


def _varied(canvas: Image.Image) -> Image.Image:
    if torch.rand(()) < 0.5:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if torch.rand(()) < 0.5:
        canvas = canvas.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return canvas.rotate(float(torch.rand(())) * 360.0, Image.Resampling.BILINEAR)
