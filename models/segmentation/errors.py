"""What goes wrong in segmentation, each with a stable code."""

from __future__ import annotations

from typing import ClassVar


class SegmentationError(Exception):
    """Base of what a segmenter raises; `code` is stable."""

    code: ClassVar[str] = "segmentation_failed"
    title: ClassVar[str] = "Segmentation failed"


class DeviceUnavailableError(SegmentationError):
    """The requested device does not exist here; there is no silent fall-back to the CPU."""

    code = "device_unavailable"
    title = "Device unavailable"


class InvalidImageError(SegmentationError):
    """The array is no image that can be segmented."""

    code = "invalid_image"
    title = "Invalid image"


class InvalidParamsError(SegmentationError):
    """A parameter is out of range."""

    code = "invalid_parameters"
    title = "Invalid segmentation parameters"


class NetworkOutputError(SegmentationError):
    """The network or the dynamics returned nothing, NaN or another shape."""

    code = "network_output_invalid"
    title = "Network output invalid"
