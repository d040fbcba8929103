"""The readable manifest that goes with a segmenter's weights."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from cellpose.resnet_torch import CPnet

from models.segmentation import network
from models.state_files import sha256_of

RECORDED_LIBRARIES = ("torch", "cellpose", "numpy", "opencv-python-headless")


def segmenter_manifest(
    name: str, net: CPnet, weights: bytes, diameter_px: float, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe a network; `about` adds where it came from and how good it is.

    Parameters
    ----------
    weights
        The safetensors bytes of `net`.
    diameter_px
        Mean chromosome diameter in the images that it was trained on, in pixels.
    """
    spec = network.spec_of(net)
    return {
        "kind": "segmenter",
        "name": name,
        "architecture": "cellpose-cpnet",
        "channels": list(spec.channels),
        "diam_mean_px": spec.diam_mean_px,
        "diameter_px": diameter_px,
        "weights_sha256": sha256_of(weights),
        "libraries": {"python": platform.python_version()}
        | {name: version(name) for name in RECORDED_LIBRARIES},
        **about,
    }
