"""A data set as a ZIP that anybody can open, and that comes back as the same data set when imported."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.classification.preprocessing import signal_levels
from models.segmentation.crops import CropPack
from services.datasets.layouts import MANIFEST, MANIFEST_COLUMNS
from services.datasets.types import IMPORTED_CHANNELS, DatasetItem
from services.images.crop_files import crop_picture_png
from services.storage.base import ObjectStore

_MARGIN_PX = 4  # around a segmented crop, so that its outline can be seen
_FOLDER_CHARACTERS = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_WHITE = 255.0


def export_archive(items: Sequence[DatasetItem], store: ObjectStore) -> Iterator[bytes]:
    """Pack every crop as a PNG with its mask as alpha, and the labels as manifest.csv; yields pieces.

    Imported crops come out pixel by pixel as they came in. Segmented ones are drawn in 8 bit between the
    black and white points that classifiers use, which are those of their whole image.

    Raises
    ------
    ObjectNotFoundError, CropPackError
        A pack is gone or damaged: the download breaks off.
    """
    sink = _Sink()
    packs = _Packs(store)
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(MANIFEST_COLUMNS)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            path = f"{item.split}/{item.item_class}/{_folder(item.group)}/{item.crop_id}.png"
            table.writerow((path, item.item_class, item.split, item.group, item.chromosome))
            archive.writestr(_entry(path), packs.png(item))
            yield from sink.drain()
        archive.writestr(_entry(MANIFEST), rows.getvalue())
    yield from sink.drain()


class _Packs:
    """The pack in use; items come in the order of their packs, so that one at a time is enough."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._key = ""
        self._pack: CropPack | None = None
        self._levels: NDArray[np.float32] | None = None

    def png(self, item: DatasetItem) -> bytes:
        """Draw one item."""
        if self._pack is None or item.pack_key != self._key:
            self._pack = CropPack.from_npz(self._store.get(item.pack_key))
            self._key, self._levels = item.pack_key, None
        final = item.origin != "segmented"
        rows, cols = _window(self._pack, item, 0 if final else _MARGIN_PX)
        pixels = self._pack.pixels[item.pack_index, :, rows, cols]
        mask = self._pack.masks[item.pack_index, rows, cols]
        if final:
            return crop_picture_png(pixels.astype(np.uint8, copy=False), mask)
        if self._levels is None:
            self._levels = signal_levels(self._pack.pixels, self._pack.masks)
        planes = np.zeros((len(IMPORTED_CHANNELS), *mask.shape), np.uint8)
        for name, plane, (black, white) in zip(item.channels, pixels, self._levels, strict=True):
            stretched = (plane.astype(np.float32) - black) / max(float(white - black), 1.0) * _WHITE
            planes[IMPORTED_CHANNELS.index(name)] = np.clip(np.rint(stretched), 0.0, _WHITE)
        return crop_picture_png(planes, mask)


class _Sink(io.RawIOBase):
    """What the ZIP writer writes to: gathers bytes until they are sent, and cannot seek."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def drain(self) -> Iterator[bytes]:
        """Yield what has been written since the last time."""
        if self._pieces:
            whole = b"".join(self._pieces)
            self._pieces.clear()
            yield whole


def _window(pack: CropPack, item: DatasetItem, margin_px: int) -> tuple[slice, slice]:
    top, left = (int(edge) for edge in pack.windows[item.pack_index][:2])
    y0, x0, y1, x1 = item.bbox
    height, width = pack.masks.shape[1:]
    return (
        slice(max(y0 - top - margin_px, 0), min(y1 - top + margin_px, height)),
        slice(max(x0 - left - margin_px, 0), min(x1 - left + margin_px, width)),
    )


def _folder(group: str) -> str:
    """A name that every file system takes; the manifest has the true one."""
    return _UNSAFE.sub("-", group)[:_FOLDER_CHARACTERS].strip("-") or "group"


def _entry(path: str) -> zipfile.ZipInfo:
    """A ZIP entry with a fixed date: the same version downloads as the same bytes."""
    return zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
