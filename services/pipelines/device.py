"""Where networks run: asked for, checked, never silently something else."""

from __future__ import annotations

import torch

from services.errors import UnsupportedHereError


def choose_device(wish: str) -> torch.device:
    """Turn ``auto``, ``cpu`` or ``cuda`` into a device.

    Raises
    ------
    UnsupportedHereError
        CUDA was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if wish == "cuda" and not available:
        raise UnsupportedHereError(
            "DEVICE is cuda but torch finds no GPU; install the CUDA build (make setup TORCH=cuda), "
            "check the driver, or set DEVICE=auto."
        )
    return torch.device("cuda" if available and wish != "cpu" else "cpu")
