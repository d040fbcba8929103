from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.__main__ import SPIN_COUNT, calm_threads

ROOT = Path(__file__).resolve().parents[3]


def run_module(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python without any of our settings in its environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": "", "DATABASE_URL": "", "BROKER_URL": ""},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


class TestParentProcess:
    def test_imports_neither_torch_nor_anything_that_starts_threads(self) -> None:
        """What is forked must be light: networks are only imported in the children."""
        script = (
            "import sys, workers.__main__, workers.app, workers.tasks, workers.lifecycle\n"
            "heavy = {'torch', 'numpy', 'cv2', 'numba', 'cellpose', 'services.pipelines.segmentation'}\n"
            "print(sorted(heavy & set(sys.modules)))"
        )
        answer = run_module("-W", "error::ImportWarning", "-c", script)

        assert "[]\n" == answer.stdout, answer.stderr


class TestCommands:
    @pytest.mark.parametrize("module", ["workers", "workers.sweeper"])
    def test_say_what_to_set_when_there_are_no_servers(self, module: str) -> None:
        """A missing setting is a sentence, not a traceback."""
        answer = run_module("-m", module)

        assert 1 == answer.returncode
        assert "make serve" in answer.stderr
        assert "Traceback" not in answer.stderr


class TestCalmThreads:
    def test_lets_threads_sleep_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a wish of the operator the spin count is low."""
        monkeypatch.setattr(os, "environ", {})
        calm_threads()

        assert {"GOMP_SPINCOUNT": SPIN_COUNT} == os.environ

    @pytest.mark.parametrize("wish", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
    def test_an_operator_knows_better(self, monkeypatch: pytest.MonkeyPatch, wish: dict[str, str]) -> None:
        """What is set already stays, and nothing is set beside it."""
        monkeypatch.setattr(os, "environ", dict(wish))
        calm_threads()

        assert wish == os.environ
