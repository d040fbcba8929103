"""Where networks run: asked for, checked, never silently something else."""

from __future__ import annotations

import os

import torch

from services.config import Settings
from services.errors import UnsupportedHereError


def device_of(settings: Settings) -> torch.device:
    """The device that the settings ask for, with torch's threads set as they say.

    They are set each time: other libraries in the process share OpenMP with torch and change its threads,
    and the sums of a training depend on how many there are.

    Raises
    ------
    UnsupportedHereError
        CUDA was asked for and there is none.
    """
    torch.set_num_threads(settings.torch_threads or default_threads())
    return choose_device(settings.device)


def default_threads() -> int:
    """How many threads OpenMP takes by itself: ``OMP_NUM_THREADS``, or one per core that we may use."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(told) if told.isdecimal() and int(told) else len(os.sched_getaffinity(0))


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
