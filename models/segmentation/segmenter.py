"""The segmenter: network weights in, DAPI image in, chromosomes out.

Wraps Cellpose 3.1's tiles and flow dynamics around a CPnet of any width. What Cellpose lets pass in
silence (a missing GPU, NaN flows, no result) is an error here.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from cellpose import dynamics, transforms
from cellpose.metrics import flow_error

from models.segmentation import network
from models.segmentation.errors import (
    DeviceUnavailableError,
    InvalidImageError,
    InvalidParamsError,
    NetworkOutputError,
    SegmentationError,
)
from models.segmentation.normalisation import levels, rescaled
from models.segmentation.postprocess import Instance, RemovalRules, refine
from models.segmentation.windows import Stitcher, windows
from models.state_files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

TILE_PX = 224  # the size that the network was trained on
TILE_OVERLAP = 0.1  # of a tile, on each side
TILES_PER_BATCH = {"cpu": 1, "cuda": 32}  # one by one is as fast on a CPU, and always the same
WINDOW_PX = 2048  # side of the largest piece handled at once, after rescaling
OVERLAP_DIAMETERS = 8.0  # windows share this much; the longest chromosomes measure five diameters
NUM_STEPS = 200  # of the flow dynamics, at the network's scale
MAX_PIXELS = 1 << 28  # 16,384 x 16,384
PARAM_RANGES = {
    "diameter_px": (4.0, 1000.0),
    "flow_threshold": (0.0, 100.0),
    "cellprob_threshold": (-20.0, 20.0),
    "min_area_px": (0.0, 1e6),
}

__all__ = ["CellposeSegmenter", "SegmentationError", "SegmentationParams", "SegmentationResult"]

# "No seeds found" is an ordinary outcome for an empty image, not a reason to write to stderr.
logging.getLogger("cellpose.dynamics").setLevel(logging.ERROR)


@dataclass(frozen=True)
class SegmentationParams:
    """How to segment.

    Attributes
    ----------
    diameter_px
        Mean diameter of a chromosome (of the disc of equal area) in the image; by default that of
        the images which the weights were trained on.
    flow_threshold
        Largest mean squared difference between an instance's flows and the network's; 0 switches
        the check off.
    cellprob_threshold
        Least foreground logit of a pixel; lower finds more and larger instances.
    min_area_px
        Smaller objects are debris; by default 11 % of the disc of the expected diameter (60 px at
        26 px).
    """

    diameter_px: float | None = None
    flow_threshold: float = 0.4
    cellprob_threshold: float = 0.0
    min_area_px: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for name, (low, high) in PARAM_RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidParamsError(f"{name} is {value}; use {low:g} to {high:g}.")


@dataclass(frozen=True)
class SegmentationResult:
    """Chromosomes of one image.

    Attributes
    ----------
    masks : (H, W) int32, 0 = background, labels 1..N
    instances
        One per label, ascending.
    removed
        How many objects were found and dropped, by reason.
    diameter_px
        The diameter that was used.
    weights_sha256
        Which weights made it.
    """

    masks: NDArray[np.int32]
    instances: tuple[Instance, ...]
    removed: Mapping[str, int]
    diameter_px: float
    weights_sha256: str


class CellposeSegmenter:
    """Segments chromosomes with one set of weights; the same input gives the same result.

    Parameters
    ----------
    weights
        Bytes of safetensors or of an official Cellpose 1-3 checkpoint.
    device
        Where the network runs.

    Raises
    ------
    WeightsError
        If the bytes are not weights of a Cellpose 1-3 network.
    DeviceUnavailableError
        If the device is not there.
    """

    def __init__(self, weights: bytes, device: torch.device) -> None:
        _require_device(device)
        self.weights_sha256 = sha256_of(weights)
        self.device = device
        self.net = network.from_bytes(weights).to(device=device, memory_format=torch.channels_last).eval()
        self.diam_mean_px = float(self.net.diam_mean.item())
        self.default_diameter_px = float(self.net.diam_labels.item())

    def segment(
        self, dapi: NDArray[np.generic], params: SegmentationParams | None = None
    ) -> SegmentationResult:
        """Find the chromosomes of a DAPI image.

        Parameters
        ----------
        dapi : (H, W) integer or float, finite

        Raises
        ------
        InvalidImageError
            If the array is empty, too large, not two-dimensional or not finite.
        NetworkOutputError
            If the network returns NaN or the dynamics nothing.
        """
        _require_image(dapi)
        params = params or SegmentationParams()
        diameter_px = params.diameter_px or self.default_diameter_px
        masks, flow_errors = self.raw_masks(dapi, diameter_px, params.cellprob_threshold)
        rules = RemovalRules.of(diameter_px, params.min_area_px, params.flow_threshold)
        refined = refine(masks, dapi, rules, flow_errors)
        return SegmentationResult(
            refined.masks, refined.instances, refined.removed, diameter_px, self.weights_sha256
        )

    def raw_masks(
        self, dapi: NDArray[np.generic], diameter_px: float, cellprob_threshold: float
    ) -> tuple[NDArray[np.int32], dict[int, float]]:
        """Labels (H, W) int32 before any is removed or split, and the flow error of each.

        The image is handled window by window; one that fits into a window is not cut at all.
        """
        stitcher = Stitcher((dapi.shape[0], dapi.shape[1]))
        flow_errors: dict[int, float] = {}
        low, high = levels(dapi)
        if low == high:
            return stitcher.masks, flow_errors
        scale = self.diam_mean_px / diameter_px
        side_px = max(int(WINDOW_PX / scale), 1)
        overlap_px = min(math.ceil(OVERLAP_DIAMETERS * diameter_px), side_px // 2)
        for window in windows(stitcher.shape, side_px, overlap_px):
            piece = rescaled(dapi[window.rows, window.cols], low, high)
            labels, errors = self._labels(piece, scale, cellprob_threshold)
            for label, stitched in stitcher.add(window, labels).items():
                flow_errors[stitched] = float(errors[label - 1])
        return stitcher.masks, flow_errors

    def _labels(
        self, image: NDArray[np.float32], scale: float, cellprob_threshold: float
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Labels (h, w) of one normalised window and their flow errors (N,).

        Flows are followed at the image's or at the network's resolution, whichever is coarser:
        finer costs time and memory and does not move an outline by a pixel of the image.
        """
        height, width = image.shape
        fields = self.fields(_resized(image, max(int(height * scale), 1), max(int(width * scale), 1)))
        if scale > 1.0:
            fields = np.stack([_resized(plane, height, width) for plane in fields])
        num_steps = int(NUM_STEPS / max(scale, 1.0))
        labels = labels_from_fields(fields, cellprob_threshold, num_steps, self.device)
        errors = np.zeros(0)
        if labels.any():
            errors = np.asarray(flow_error(labels, fields[:2], self.device)[0], np.float64)
        if labels.shape != image.shape:
            nearest = cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
            labels = np.asarray(nearest).astype(np.int32)
        return labels, errors

    def fields(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network over an image that is already normalised and rescaled.

        Parameters
        ----------
        image : (H, W) float32

        Returns
        -------
        (3, H, W) float32
            Flow y, flow x (times five) and foreground logit; overlapping tiles are blended.
        """
        height, width = image.shape
        top, bottom, left, right = transforms.get_pad_yx(height, width)
        padded = np.pad(image, ((top, bottom), (left, right)))
        grey = np.stack([padded, np.zeros_like(padded)])
        tiles, rows, cols, tiled_height, tiled_width = transforms.make_tiles(
            grey, bsize=TILE_PX, tile_overlap=TILE_OVERLAP
        )
        tiles = tiles.reshape(-1, *tiles.shape[2:])
        batch = TILES_PER_BATCH[self.device.type]
        outputs = np.concatenate([self._forward(tiles[i : i + batch]) for i in range(0, len(tiles), batch)])
        blended = transforms.average_tiles(outputs, rows, cols, tiled_height, tiled_width)
        fields = np.asarray(blended[:, top : top + height, left : left + width], np.float32)
        if fields.shape != (network.NUM_OUTPUTS, height, width) or not np.isfinite(fields).all():
            raise NetworkOutputError(
                "The network returned NaN or a wrong shape; its weights are damaged or badly trained."
            )
        return fields

    def _forward(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Network outputs (N, 3, h, w) of tiles (N, 2, h, w)."""
        batch = torch.from_numpy(np.ascontiguousarray(tiles))
        with torch.inference_mode():
            output = self.net(batch.to(self.device, memory_format=torch.channels_last))[0]
            return np.asarray(output.float().cpu().contiguous().numpy(), np.float32)


def labels_from_fields(
    fields: NDArray[np.float32], cellprob_threshold: float, num_steps: int, device: torch.device
) -> NDArray[np.int32]:
    """Follow the flows to their ends and group the pixels that meet (Cellpose's dynamics).

    Parameters
    ----------
    fields : (3, H, W) float32
        As `CellposeSegmenter.fields` returns them.

    Returns
    -------
    (H, W) int32, labels 1..N, 0 = background
    """
    # Cellpose clamps its sparse indices itself; saying so keeps torch from warning on each image.
    with torch.sparse.check_sparse_tensor_invariants(enable=False):
        labels = dynamics.compute_masks(
            fields[:2],
            fields[2],
            niter=num_steps,
            flow_threshold=0.0,  # inconsistent labels are split or removed, and counted, in postprocess
            cellprob_threshold=cellprob_threshold,
            max_size_fraction=1.0,  # so are labels that are too large
            device=device,
        )
    if labels is None or labels.shape != fields.shape[1:]:
        raise NetworkOutputError("Cellpose's dynamics gave no masks; the machine may be short of memory.")
    return np.asarray(labels).astype(np.int32)


def _resized(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _require_device(device: torch.device) -> None:
    if device.type not in TILES_PER_BATCH:
        raise DeviceUnavailableError(f"The device is {device.type!r}; use 'cpu' or 'cuda'.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceUnavailableError(f"There is no {device} here; set DEVICE=cpu or DEVICE=auto.")


def _require_image(dapi: NDArray[np.generic]) -> None:
    if dapi.ndim != 2 or not 0 < dapi.size <= MAX_PIXELS:  # noqa: PLR2004 - a plane has two axes
        raise InvalidImageError(
            f"The DAPI plane has shape {dapi.shape}; use (H, W), at most {MAX_PIXELS} px."
        )
    if not (np.issubdtype(dapi.dtype, np.integer) or np.issubdtype(dapi.dtype, np.floating)):
        raise InvalidImageError(f"The DAPI plane is {dapi.dtype}; use integers or floats.")
    if np.issubdtype(dapi.dtype, np.floating) and not np.isfinite(dapi).all():
        raise InvalidImageError("The DAPI plane holds NaN or infinity.")
