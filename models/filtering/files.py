"""A filter as one safetensors file, and back.

Beside the arrays lies a JSON document, ``told``: format version, specs, and a digest of everything. A
probe of a few rows with their scores is scored again at loading: a file that another machine or library
would read differently is refused instead of giving other verdicts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from models.filtering.errors import FilterFileError
from models.filtering.filter import Filter, FilterSpec
from models.filtering.probe import PROBE_DTYPES, check_probe, make_probe
from models.filtering.rules.loading import ARRAY_DTYPES, rule_from
from models.manifold.manifold import Manifold, ManifoldSpec

__all__ = ["FORMAT", "FilterFileError", "from_bytes", "to_bytes"]

FORMAT: Final = 1
MAX_BYTES: Final = 4 * 1024**3
_TOLD = "told"
_MAX_TOLD_BYTES = 1024**2
_RULE, _MANIFOLD, _PROBE = "rule.", "manifold.", "probe."
_OWN_DTYPES: Final[Mapping[str, type[np.generic]]] = {
    "labels": np.uint8,
    "own_distances": np.float64,
    f"{_MANIFOLD}embeddings": np.float32,
    f"{_MANIFOLD}coordinates": np.float32,
}
_UNREADABLE = (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError)

Arrays = dict[str, NDArray[Any]]


def to_bytes(filter: Filter) -> bytes:  # noqa: A002 - it is one
    """Write a filter down; the same filter gives the same bytes."""
    arrays: Arrays = {
        "labels": filter.labels.astype(np.uint8),
        "own_distances": filter.own_distances,
        **_prefixed(_MANIFOLD, filter.manifold.arrays()),
        **_prefixed(_RULE, filter.rule.arrays()),
        **_prefixed(_PROBE, make_probe(filter)),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    told = {"format": FORMAT, "spec": filter.spec.to_json(), "manifold": filter.manifold.spec.to_json()}
    document = json.dumps(told | {"sha256": _digest(told, arrays)}, sort_keys=True, allow_nan=False)
    # One more array and not safetensors' own metadata, whose order changes from run to run.
    return safetensors.numpy.save(arrays | {_TOLD: np.frombuffer(document.encode(), np.uint8)})


def from_bytes(content: bytes) -> Filter:
    """Read what `to_bytes` wrote, and score its probe again.

    Raises
    ------
    FilterFileError
        The bytes are no filter, were changed, come from a later version, or score their probe differently.
    """
    arrays = _read(content)
    told = _read_told(arrays)
    if _digest({name: told[name] for name in ("format", "spec", "manifold")}, arrays) != told["sha256"]:
        raise FilterFileError("The filter's file was changed after it was written; fetch it again.")
    try:
        spec = FilterSpec.from_json(told["spec"])
        _check_arrays(spec, arrays)
        made = _made(spec, told["manifold"], arrays)
        check_probe(made, _under(_PROBE, arrays))
    except FilterFileError:
        raise
    except _UNREADABLE as error:
        raise FilterFileError(f"The parts of the filter's file do not fit together: {error}") from error
    return made


def _made(spec: FilterSpec, manifold_spec: Mapping[str, Any], arrays: Arrays) -> Filter:
    manifold = Manifold.from_arrays(ManifoldSpec.from_json(manifold_spec), _under(_MANIFOLD, arrays))
    labels = arrays["labels"]
    if labels.shape != (len(manifold.embeddings),) or (labels > 1).any():
        raise FilterFileError("The filter's file has no label of 0 or 1 for every training row.")
    rule = rule_from(spec.method, _under(_RULE, arrays), manifold.embeddings[labels == 1])
    return Filter(spec, manifold, rule, arrays["own_distances"], labels)


def _read(content: bytes) -> Arrays:
    """Read the arrays; safetensors itself refuses sizes that the bytes do not hold."""
    if len(content) > MAX_BYTES:
        raise FilterFileError(f"A filter's file has at most {MAX_BYTES:,} bytes.")
    try:
        return dict(safetensors.numpy.load(content))
    except _UNREADABLE as error:
        raise FilterFileError("The file is not safetensors, or is cut off.") from error


def _read_told(arrays: Arrays) -> dict[str, Any]:
    """Take the JSON document out of the arrays."""
    stored = arrays.pop(_TOLD, None)
    if stored is None or stored.dtype != np.uint8 or stored.ndim != 1 or len(stored) > _MAX_TOLD_BYTES:
        raise FilterFileError("The file is no filter: it does not say of itself what it is.")
    try:
        told = json.loads(stored.tobytes())
        version = told["format"]
    except (*_UNREADABLE, RecursionError) as error:
        raise FilterFileError("The file is no filter: its description is unreadable.") from error
    if version != FORMAT:
        raise FilterFileError(
            f"The filter's file has format {version!r}, this version reads {FORMAT}; "
            "read it with the version that wrote it, or fit the filter again."
        )
    if set(told) != {"format", "spec", "manifold", "sha256"} or not all(
        isinstance(told[name], dict) for name in ("spec", "manifold")
    ):
        raise FilterFileError("The file is no filter: its description is incomplete.")
    return dict(told)


def _check_arrays(spec: FilterSpec, arrays: Arrays) -> None:
    """Refuse missing, additional and wrongly typed arrays, and numbers that are not finite."""
    expected = {
        **_OWN_DTYPES,
        **{_RULE + name: dtype for name, dtype in ARRAY_DTYPES[spec.method].items()},
        **{_PROBE + name: dtype for name, dtype in PROBE_DTYPES.items()},
    }
    if set(expected) != set(arrays):
        odd = ", ".join(sorted(set(expected) ^ set(arrays)))
        raise FilterFileError(f"The filter's file misses arrays or has too many: {odd}.")
    for name, dtype in expected.items():
        if arrays[name].dtype != dtype:
            raise FilterFileError(f"The array {name} is {arrays[name].dtype}, not {np.dtype(dtype)}.")
        # Rules without a Mahalanobis distance say so by NaN.
        if name != f"{_PROBE}mahalanobis2" and not np.isfinite(arrays[name]).all():
            raise FilterFileError(f"The array {name} of the filter's file is not finite.")


def _digest(told: Mapping[str, Any], arrays: Arrays) -> str:
    """Digest of a document and of arrays with their names, types and shapes."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _prefixed(prefix: str, arrays: Arrays) -> Arrays:
    return {prefix + name: array for name, array in arrays.items()}


def _under(prefix: str, arrays: Arrays) -> Arrays:
    """Entries whose names start with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
