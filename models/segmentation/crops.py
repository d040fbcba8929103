"""Crops of every instance of an image, packed into four arrays and one compressed file.

Free of torch: the API renders crops from these packs. A pack is written once per image and read
back with every size checked first, so a damaged or hostile file costs no memory.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.lib import format as npy_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.segmentation.postprocess import Instance

MAX_SIDE_PX = 2048
MAX_CROPS = 20_000
MAX_CHANNELS = 8
MAX_PACK_BYTES = 1 << 30  # of unpacked arrays
PIXEL_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_MEMBERS = {"pixels": 4, "masks": 3, "labels": 1, "windows": 2}  # name -> dimensions
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, NotImplementedError)


class CropPackError(ValueError):
    """Crops cannot be packed, or bytes are not a crop pack."""

    code: ClassVar[str] = "crop_pack_invalid"
    title: ClassVar[str] = "Crop pack invalid"


@dataclass(frozen=True)
class CropPack:
    """All crops of an image on one canvas size.

    Attributes
    ----------
    pixels : (N, C, H, W) uint8 or uint16
        Image pixels around each instance, neighbours included; 0 beyond the image.
    masks : (N, H, W) bool
        Which pixels of the canvas belong to the instance.
    labels : (N,) int32
        Instance number in the label image; ascending.
    windows : (N, 4) int32
        Where the canvas lies in the image: y0, x0, y1, x1, half-open. It reaches beyond the image
        for instances near its edge, so values may be negative.
    """

    pixels: NDArray[np.integer[Any]]
    masks: NDArray[np.bool_]
    labels: NDArray[np.int32]
    windows: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe the same crops."""
        _check_arrays(self.pixels, self.masks, self.labels, self.windows)

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.labels)

    def index_of(self, label: int) -> int:
        """Position of an instance's crop.

        Raises
        ------
        CropPackError
            If the pack holds no such label.
        """
        (found,) = np.nonzero(self.labels == label)
        if len(found) == 0:
            raise CropPackError(f"The pack holds no crop of instance {label}.")
        return int(found[0])

    def to_npz(self) -> bytes:
        """Serialise; the same crops give the same bytes."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            pixels=self.pixels,
            masks=self.masks,
            labels=self.labels,
            windows=self.windows,
        )
        return stream.getvalue()

    @classmethod
    def from_npz(cls, content: bytes) -> CropPack:
        """Read what `to_npz` wrote.

        Raises
        ------
        CropPackError
            If the bytes are no crop pack, are damaged, or would unpack beyond the limits.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _check_members(archive)
                arrays = {name: _read_member(archive, name) for name in _MEMBERS}
        except CropPackError:
            raise
        except _READ_ERRORS as error:
            raise CropPackError("The bytes are not a readable crop pack; segment the image again.") from error
        return cls(**arrays)


def cut_crops(
    pixels: NDArray[np.integer[Any]],
    masks: NDArray[np.integer[Any]],
    instances: Sequence[Instance],
    margin_px: int = 8,
) -> CropPack:
    """Cut every instance out of an image, centred on a canvas that fits the largest.

    Parameters
    ----------
    pixels : (C, H, W) uint8 or uint16
    masks : (H, W) integer
        Label image, 0 = background.
    instances
        Which labels to cut, with their bounding boxes.
    margin_px
        Least distance between an instance's bounding box and its canvas's edge.

    Returns
    -------
    CropPack
        In ascending order of label.

    Raises
    ------
    CropPackError
        If shapes disagree, or the crops would exceed the limits of a pack.
    """
    if pixels.ndim != _MEMBERS["pixels"] - 1 or masks.shape != pixels.shape[1:]:
        raise CropPackError(f"Pixels {pixels.shape} and masks {masks.shape} are not of one image.")
    ordered = sorted(instances, key=lambda instance: instance.label)
    if not ordered:
        return _empty_pack(pixels)
    height = 2 * margin_px + max(i.bbox[2] - i.bbox[0] for i in ordered)
    width = 2 * margin_px + max(i.bbox[3] - i.bbox[1] for i in ordered)
    _check_size((len(ordered), len(pixels), height, width), pixels.dtype)
    crops = np.zeros((len(ordered), len(pixels), height, width), pixels.dtype)
    crop_masks = np.zeros((len(ordered), height, width), np.bool_)
    windows = np.zeros((len(ordered), 4), np.int32)
    for index, instance in enumerate(ordered):
        y0 = (instance.bbox[0] + instance.bbox[2] - height) // 2
        x0 = (instance.bbox[1] + instance.bbox[3] - width) // 2
        windows[index] = (y0, x0, y0 + height, x0 + width)
        rows, canvas_rows = _visible(y0, height, masks.shape[0])
        cols, canvas_cols = _visible(x0, width, masks.shape[1])
        crops[index, :, canvas_rows, canvas_cols] = pixels[:, rows, cols]
        crop_masks[index, canvas_rows, canvas_cols] = masks[rows, cols] == instance.label
    return CropPack(crops, crop_masks, np.array([i.label for i in ordered], np.int32), windows)


def _visible(start: int, length: int, limit: int) -> tuple[slice, slice]:
    """Part of [start, start + length) inside [0, limit), in the image and on the canvas."""
    first, last = max(start, 0), min(start + length, limit)
    return slice(first, last), slice(first - start, last - start)


def _empty_pack(pixels: NDArray[np.integer[Any]]) -> CropPack:
    return CropPack(
        np.zeros((0, len(pixels), 1, 1), pixels.dtype),
        np.zeros((0, 1, 1), np.bool_),
        np.zeros(0, np.int32),
        np.zeros((0, 4), np.int32),
    )


def _check_size(shape: tuple[int, int, int, int], dtype: np.dtype[np.integer[Any]]) -> None:
    count, channels, height, width = shape
    if dtype not in PIXEL_DTYPES:
        raise CropPackError(f"Pixels are {dtype}; a pack holds uint8 or uint16.")
    if count > MAX_CROPS or channels > MAX_CHANNELS or max(height, width) > MAX_SIDE_PX:
        raise CropPackError(
            f"{count} crops of {channels} x {height} x {width} px exceed {MAX_CROPS} crops of "
            f"{MAX_CHANNELS} x {MAX_SIDE_PX} x {MAX_SIDE_PX} px; check diameter_px."
        )
    if count * height * width * (channels * dtype.itemsize + 1) > MAX_PACK_BYTES:
        raise CropPackError(f"The crops exceed {MAX_PACK_BYTES} bytes; check diameter_px.")


def _check_arrays(
    pixels: NDArray[np.integer[Any]],
    masks: NDArray[np.bool_],
    labels: NDArray[np.int32],
    windows: NDArray[np.int32],
) -> None:
    if pixels.ndim != _MEMBERS["pixels"]:
        raise CropPackError(f"Crop pixels have {pixels.ndim} dimensions, not (N, C, H, W).")
    count, channels, height, width = pixels.shape
    _check_size((count, channels, height, width), pixels.dtype)
    expected = {"masks": (count, height, width), "labels": (count,), "windows": (count, 4)}
    found = {"masks": masks.shape, "labels": labels.shape, "windows": windows.shape}
    if expected != found:
        raise CropPackError(f"Arrays do not belong together: expected {expected}, found {found}.")
    if masks.dtype != np.bool_ or labels.dtype != np.int32 or windows.dtype != np.int32:
        raise CropPackError("Masks must be bool, labels and windows int32.")
    if count and (labels[0] < 1 or np.any(np.diff(labels) <= 0)):
        raise CropPackError("Labels must be positive and ascend.")
    if np.any(windows[:, 2:].astype(np.int64) - windows[:, :2] != (height, width)):
        raise CropPackError("Windows and crops differ in size.")


def _check_members(archive: zipfile.ZipFile) -> None:
    names = sorted(info.filename for info in archive.infolist())
    if names != sorted(f"{name}.npy" for name in _MEMBERS):
        raise CropPackError(f"A crop pack holds {sorted(_MEMBERS)}, this archive holds other members.")
    if sum(info.file_size for info in archive.infolist()) > MAX_PACK_BYTES + (1 << 20):
        raise CropPackError(f"The pack would unpack to more than {MAX_PACK_BYTES} bytes.")


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read one array after its header has been checked against the size of its member."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        version = npy_format.read_magic(stream)
        if version != (1, 0):
            raise CropPackError(f"Array {name!r} has format version {version}, not (1, 0).")
        shape, _, dtype = npy_format.read_array_header_1_0(stream)
        # numpy allocates what the header claims, so the claim must match the bytes that follow.
        claimed_bytes = dtype.itemsize * int(np.prod(shape, dtype=object))
        if dtype.hasobject or len(shape) != _MEMBERS[name] or claimed_bytes != info.file_size - stream.tell():
            raise CropPackError(f"Array {name!r} is not what its header says.")
    with archive.open(info) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))
