"""Where networks run: asked for, checked, never silently something else."""

from __future__ import annotations

import os

import torch

from services.config import Settings
from services.errors import UnsupportedHereError


def device_of(settings: Settings) -> torch.device:
    """The device that the settings ask for, with torch's threads set as they say.

    Raises
    ------
    UnsupportedHereError
        CUDA was asked for and there is none.
    """
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    return choose_device(settings.device)


def threads_of(settings: Settings) -> int:
    """How many threads a filter may use: as many as torch. What it computes does not depend on them."""
    return settings.torch_threads or len(os.sched_getaffinity(0))


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
