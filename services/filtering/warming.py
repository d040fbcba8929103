"""Compiling ahead: the first score of a fresh installation would wait seconds for a compiler."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from models.manifold.manifold import Manifold, ManifoldSpec
from models.manifold.rowwise import affine
from services.log import get_logger

_SPEC: Final = ManifoldSpec(2, 0.1, 1.577, 0.895, seed=0, rng_state=(1, 2, 3), n_epochs=1)

log = get_logger(__name__)


class WarmUp:
    """Compiles what scoring needs, in a thread of its own; what numba's cache holds is only read."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filter-warm-up")

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def close(self) -> None:
        """Wait for the step at work; the others are left out.

        A process that ended while its compiler ran would crash.
        """
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        rows = np.zeros((4, 8), np.float32)
        steps: list[Callable[[], object]] = [
            lambda: Manifold(_SPEC, rows, rows[:, :2].copy()).nearest(rows),
            lambda: Manifold(_SPEC, rows, rows[:, :2].copy()).project(rows),
            lambda: affine(rows, np.zeros((8, 2)), np.zeros(2)),
        ]
        try:
            for step in steps:
                if self._stopping.is_set():
                    return
                step()
        except Exception as error:  # noqa: BLE001 - whatever it is, the first who scores is told it
            log.warning("filters not warmed up", error=type(error).__name__, detail=str(error))
