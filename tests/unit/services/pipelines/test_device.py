"""On how many threads networks run; where they run is told in test_resources."""

from __future__ import annotations

import os

import pytest
import torch

from services.config import Settings
from services.pipelines.device import default_threads, device_of, threads_of


class TestDeviceOf:
    def test_sets_the_threads_anew(self) -> None:
        """Whatever another library made of them: a training's sums depend on their number."""
        before = torch.get_num_threads()
        try:
            torch.set_num_threads(7)
            device_of(Settings(torch_threads=0, device="cpu"))
            assert default_threads() == torch.get_num_threads()
            device_of(Settings(torch_threads=1, device="cpu"))
            assert 1 == torch.get_num_threads()
        finally:
            torch.set_num_threads(before)


class TestDefaultThreads:
    @pytest.mark.parametrize(("told", "expected"), [("3", 3), ("2,1", 2)])
    def test_are_what_openmp_is_told(self, monkeypatch: pytest.MonkeyPatch, told: str, expected: int) -> None:
        """Levels below the first do not matter."""
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert expected == default_threads()

    @pytest.mark.parametrize("told", ["", "0", "many"])
    def test_are_the_cores_that_we_may_use(self, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
        """Where OpenMP is told nothing that it understands."""
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert len(os.sched_getaffinity(0)) == default_threads() == threads_of(Settings(torch_threads=0))
