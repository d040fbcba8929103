"""Which floating-point format a training computes in."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16 where the hardware multiplies it natively; elsewhere it is slower than float32.

    Returns
    -------
    torch.dtype or None
        None: no autocast, everything in float32.

    Raises
    ------
    ValueError
        The precision has no known name.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision is {precision!r}; use 'auto', 'float32' or 'bfloat16'.")
    if precision == "float32":
        return None
    native = (
        torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - torch has no public name for it
    )
    return torch.bfloat16 if precision == "bfloat16" or native else None
