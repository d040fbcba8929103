"""Plain Cellpose 3.1 around our weights: what `CellposeSegmenter` is compared with.

`CellposeModel` allocates style vectors for the official width only, so a slimmer network runs
behind an adapter that pads its style with zeros; masks do not depend on it.
"""

from __future__ import annotations

import numpy as np
import torch
from cellpose.models import CellposeModel
from cellpose.resnet_torch import CPnet
from numpy.typing import NDArray
from torch import nn

from models.segmentation import network

OFFICIAL_STYLE_WIDTH = 256


class _OfficialStyleWidth(nn.Module):
    """A CPnet whose style vector has the width that `cellpose.core.run_net` expects."""

    mkldnn = False

    def __init__(self, net: CPnet) -> None:
        super().__init__()
        self.net = net
        self.nout = net.nout

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, tiles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output, style = self.net(tiles)[:2]
        return output, nn.functional.pad(style, (0, OFFICIAL_STYLE_WIDTH - style.shape[1]))


def plain_model(weights: bytes) -> CellposeModel:
    """Build an official `CellposeModel` on the CPU that holds the given weights."""
    net = network.from_bytes(weights).eval()
    model = CellposeModel(gpu=False, mkldnn=False, pretrained_model=False)
    model.net = _OfficialStyleWidth(net)
    model.diam_mean = float(net.diam_mean.item())
    model.diam_labels = float(net.diam_labels.item())
    return model


def plain_masks(
    model: CellposeModel, dapi: NDArray[np.generic], flow_threshold: float = 0.4
) -> NDArray[np.int32]:
    """Masks (H, W) as `CellposeModel.eval` returns them, holes filled, small ones kept."""
    masks = model.eval(dapi, channels=[0, 0], flow_threshold=flow_threshold, min_size=-1)[0]
    return np.asarray(masks).astype(np.int32)
