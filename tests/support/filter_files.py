"""Files of filters, taken apart and put together again as somebody would who knows the format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from models.filtering import files

Arrays = dict[str, NDArray[Any]]


def opened(content: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays and the description of a file."""
    arrays = safetensors.numpy.load(content)
    return arrays, json.loads(arrays.pop("told").tobytes())


def closed(arrays: Arrays, told: dict[str, Any], *, signed: bool = True) -> bytes:
    """Write a file, with the right digest if `signed`."""
    if signed:
        known: dict[str, Any] = {name: told[name] for name in ("format", "spec", "manifold") if name in told}
        told = told | {"sha256": files._digest(known, arrays)}
    document = np.frombuffer(json.dumps(told).encode(), np.uint8)
    return safetensors.numpy.save(arrays | {"told": document})
