"""Instance masks in the forms other programs read, and masks that people drew, read back.

Label TIFF for everything, GeoJSON for QuPath and the web, ROI zip for ImageJ. Polygons run along pixel
corners (`services.images.polygons`), so each form holds exactly the same pixels.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import roifile
import tifffile

from services.images.errors import InvalidMasksError, TooLargeError
from services.images.formats import check_container, read_picture
from services.images.limits import Limits
from services.images.polygons import Polygon, instance_polygons
from services.images.tiff import read_label_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_MAX_UINT16 = 65_535
_MAX_LABEL = 2**31 - 1
_MAX_INSTANCES = 20_000
_MAX_PAGES = 2
# ZIP entries carry a date; a fixed one makes the same masks give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


def masks_tiff(masks: NDArray[np.integer[Any]]) -> bytes:
    """Write a label image as a Deflate-compressed TIFF.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.

    Returns
    -------
    bytes
        uint16 pixels while the largest label fits, uint32 beyond; labels are never renumbered.
    """
    dtype = np.uint16 if int(masks.max(initial=0)) <= _MAX_UINT16 else np.uint32
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        masks.astype(dtype),
        photometric="minisblack",
        compression="adobe_deflate",
        predictor=True,
        metadata=None,
        software="Karyobridge",
    )
    return buffer.getvalue()


def masks_geojson(
    masks: NDArray[np.integer[Any]], properties_by_label: Mapping[int, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Describe every instance as a GeoJSON feature in pixel coordinates.

    Coordinates are (x, y) pixel corners: the image spans (0, 0) to (W, H) with y pointing down.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.
    properties_by_label
        JSON values to add to a feature's `label` and `area_px`.

    Returns
    -------
    dict
        A FeatureCollection; one Polygon or MultiPolygon per label, holes included, `id` the label.
    """
    extra = properties_by_label or {}
    features = []
    for label, area_px, polygons in instance_polygons(masks):
        coordinates = [
            [[list(vertex) for vertex in ring] for ring in (p.exterior, *p.holes)] for p in polygons
        ]
        single = len(coordinates) == 1
        features.append(
            {
                "type": "Feature",
                "id": label,
                "geometry": {
                    "type": "Polygon" if single else "MultiPolygon",
                    "coordinates": coordinates[0] if single else coordinates,
                },
                "properties": {**extra.get(label, {}), "label": label, "area_px": area_px},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def imagej_rois_zip(masks: NDArray[np.integer[Any]]) -> bytes:
    """Write every instance as an ImageJ ROI, zipped for the ROI Manager.

    An instance in one piece without holes is a traced ROI; any other is a composite one. Each is named by
    its label, with leading zeros so that names sort.

    Parameters
    ----------
    masks : (H, W) integer
        Label image, 0 background.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for label, _, polygons in instance_polygons(masks):
            name = f"{label:05d}"
            simple = len(polygons) == 1 and not polygons[0].holes
            roi = _traced_roi(polygons[0], name) if simple else _composite_roi(polygons, name)
            entry = zipfile.ZipInfo(f"{name}.roi", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, roi.tobytes())
    return buffer.getvalue()


def read_masks(
    data: bytes, shape: tuple[int, int], limits: Limits | None = None
) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
    """Read masks that somebody drew for one image.

    Parameters
    ----------
    data
        A TIFF (page 0 instance labels, optional page 1 labels of overlap regions) or a grey PNG.
    shape
        (H, W) of the image that they belong to.
    limits
        Bounds; the defaults when left out.

    Returns
    -------
    masks : (H, W) int32
        0 background, other values instance labels as drawn.
    overlaps : (H, W) int32 or None
        0 none, other values labels of overlap regions; None when there is no second page.

    Raises
    ------
    InvalidMasksError
        The pages do not fit the image, are not labels, or hold none.
    UploadRejectedError
        Another subclass, when the file cannot be read at all.
    """
    pages = _label_pages(data, limits or Limits())
    if len(pages) > _MAX_PAGES:
        raise InvalidMasksError(
            f"The masks have {len(pages)} pages; page 0 is instances, page 1 overlaps, and no more are read."
        )
    for number, page in enumerate(pages):
        if page.shape != shape:
            raise InvalidMasksError(
                f"Page {number} of the masks is {page.shape[-1]} x {page.shape[0]} pixels, "
                f"the image {shape[1]} x {shape[0]}. Export the masks at the image's own size."
            )
        if page.min() < 0 or page.max() > _MAX_LABEL:
            raise InvalidMasksError(f"Page {number} of the masks has labels below 0 or above {_MAX_LABEL}.")
    masks = pages[0].astype(np.int32)
    count = np.unique(masks[masks != 0]).size
    if count == 0:
        raise InvalidMasksError("The masks hold no instance: every pixel is 0, which is background.")
    if count > _MAX_INSTANCES:
        raise InvalidMasksError(f"The masks hold {count} labels; is this a picture? Send a label image.")
    return masks, pages[1].astype(np.int32) if len(pages) == _MAX_PAGES else None


def _label_pages(data: bytes, limits: Limits) -> list[NDArray[Any]]:
    if len(data) > limits.max_file_bytes:
        raise TooLargeError(f"The masks have {len(data)} bytes; at most {limits.max_file_bytes} are taken.")
    stream = io.BytesIO(data)
    container = check_container(stream, "masks")
    if container == "tiff":
        return list(read_label_tiff(stream, stream.seek(0, os.SEEK_END), limits))
    if container != "png":
        raise InvalidMasksError("Masks must be a TIFF or a PNG: JPEG blurs labels, and archives hold many.")
    picture = read_picture(stream, "masks", limits)
    if picture.info.planes != 1:
        raise InvalidMasksError("The masks are a colour picture. Export a grey label image.")
    return list(picture.planes)


def _traced_roi(polygon: Polygon, name: str) -> roifile.ImagejRoi:
    # ImageJ closes polygons itself, so the repeated last vertex is left out.
    points = np.array(polygon.exterior[:-1], dtype=np.int32)
    if points.max() > _MAX_UINT16 - 5_000:
        return _composite_roi((polygon,), name)
    roi = roifile.ImagejRoi.frompoints(points, name=name)
    roi.roitype = roifile.ROI_TYPE.TRACED
    return roi


def _composite_roi(polygons: tuple[Polygon, ...], name: str) -> roifile.ImagejRoi:
    """Several rings as one path, which ImageJ fills by the even-odd of their directions."""
    path = [number for ring in _rings(polygons) for number in _path(ring)]
    corners = np.array([vertex for polygon in polygons for vertex in polygon.exterior])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    roi = roifile.ImagejRoi()
    roi.name = name
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.left, roi.top, roi.right, roi.bottom = left, top, right, bottom
    roi.multi_coordinates = np.array(path, dtype=np.float32)
    roi.shape_roi_size = len(path)
    return roi


def _rings(polygons: tuple[Polygon, ...]) -> Iterator[tuple[tuple[int, int], ...]]:
    for polygon in polygons:
        yield polygon.exterior
        yield from polygon.holes


def _path(ring: tuple[tuple[int, int], ...]) -> Iterator[float]:
    for index, (x, y) in enumerate(ring[:-1]):
        yield from (_LINE if index else _MOVE, float(x), float(y))
    yield _CLOSE
