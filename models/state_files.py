"""Weights in files: safetensors, or checkpoints of torch, which are read without running anything."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

import safetensors.torch
import torch
from safetensors import SafetensorError

_LENGTH_BYTES = 8  # a safetensors file starts with the length of its header
# A tensor may be stored under two names, but not made of one number repeated without end.
_MAX_SHARING = 4
_MAX_DEPTH = 16
_UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError),
    *(UnicodeDecodeError, IndexError, TypeError, AttributeError, struct.error),
)


class WeightsError(ValueError):
    """The bytes are not weights of the wanted network."""

    code: ClassVar[str] = "weights_invalid"
    title: ClassVar[str] = "Weights invalid"


def read_state(content: bytes) -> dict[str, torch.Tensor]:
    """Read a state dict; checkpoints of torch are read with ``weights_only``.

    The wrappings of common training scripts are taken off: a dictionary under ``state_dict``, and the
    prefix ``module.`` of networks that were trained on several GPUs.

    Raises
    ------
    WeightsError
        The bytes are neither, or hold something else than tensors.
    """
    state = read_checkpoint(content)
    if isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise WeightsError("The checkpoint is not a plain dictionary of tensors.")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def read_safetensors(content: bytes) -> dict[str, Any]:
    """Read the tensors of a safetensors file; raises `WeightsError` for any other bytes."""
    try:
        return dict(safetensors.torch.load(content))
    except SafetensorError as error:
        raise WeightsError("This is no safetensors file.") from error


def read_checkpoint(content: bytes) -> dict[str, Any]:
    """Read safetensors, or a checkpoint of torch with ``weights_only``: whatever dictionary it holds.

    Raises
    ------
    WeightsError
        The bytes are neither, or hold something that only code could restore.
    """
    with suppress(WeightsError):  # perhaps a checkpoint of torch
        return read_safetensors(content)
    _refuse_packed(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a strange pickle protocol, for example, is refused anyway
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        claimed_bytes = sum(tensor.nbytes for tensor in _tensors(state))
    except _UNREADABLE as error:
        raise WeightsError("Neither safetensors nor a PyTorch checkpoint of plain tensors.") from error
    if not isinstance(state, dict):
        raise WeightsError("The checkpoint is not a plain dictionary.")
    if claimed_bytes > _MAX_SHARING * len(content):
        raise WeightsError("The checkpoint's tensors claim far more numbers than it holds.")
    return state


def _refuse_packed(content: bytes) -> None:
    """Refuse a checkpoint that unpacks to more than it holds: torch writes its own without compression."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked_bytes = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, struct.error, NotImplementedError):
        return  # an older checkpoint, or none: torch will tell
    if unpacked_bytes > len(content):
        raise WeightsError("The checkpoint is compressed; save it with torch.save as it is.")


def _tensors(value: Any, levels: int = _MAX_DEPTH) -> Iterator[torch.Tensor]:
    """Every tensor in a checkpoint's dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple) and levels:
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(inner, levels - 1)


def read_metadata(content: bytes) -> dict[str, str]:
    """Texts that a safetensors file carries beside its tensors; none for other files."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    try:
        header = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
        return dict(header.get("__metadata__", {}))
    except (ValueError, AttributeError, TypeError):
        return {}


def require_room(widths: Iterable[int], state: Mapping[str, torch.Tensor]) -> None:
    """Refuse a network that is far larger than its weights, before memory is taken for it.

    A network's size is told from a few of its tensors, and small ones can ask for any size.

    Parameters
    ----------
    widths
        Channels of the network's blocks; each has at least one convolution of 3 x 3 from them to as many.

    Raises
    ------
    WeightsError
        The tensors have too few numbers for that, or a block has no channels.
    """
    widths = tuple(widths)
    needed = sum(width * width for width in widths) * 9
    if min(widths) < 1 or needed > sum(tensor.numel() for tensor in state.values()):
        raise WeightsError(f"Blocks of {sorted(set(widths))} channels do not go with the tensors.")


def under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Entries whose names start with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def sha256_of(content: bytes) -> str:
    """Hex digest that names weights in manifests and results."""
    return hashlib.sha256(content).hexdigest()
