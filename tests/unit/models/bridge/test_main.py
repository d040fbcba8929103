from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.bridge.__main__ import main, read_canvases
from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.bridge.training import BridgeTrainer
from models.classification.preprocessing import Preprocessing

ROOT = Path(__file__).parents[4]
OPTIONS = [
    *("--size", "small", "--batch-size", "2", "--canvas-px", "8", "--scale", "1", "--device", "cpu"),
    *("--checkpoint-every-s", "0"),
]


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Three crops as an exported data set holds them, in folders by group."""
    rng = np.random.default_rng(0)
    for index in range(3):
        picture = np.zeros((12, 12, 3), np.uint8)
        picture[3:9, 4:8] = rng.integers(50, 255, (6, 4, 3))
        folder = tmp_path / "train" / "aberration" / f"slide-{index}"
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "crop.png"), picture)
    return tmp_path / "train" / "aberration"


class TestMain:
    def test_writes_weights_that_generate(self, crops: Path, tmp_path: Path) -> None:
        """What it leaves behind is all that an import needs."""
        main([str(crops), "--out", str(tmp_path / "out"), "--steps", "2", *OPTIONS])
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        spec = BridgeSpec.from_manifest(manifest)

        assert 8 == spec.preprocessing.canvas_px
        BridgeGenerator((tmp_path / "out" / "weights.safetensors").read_bytes(), spec, torch.device("cpu"))

    def test_goes_on_where_it_was_cut(
        self, crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A training that was interrupted after ten steps ends with the weights of an uncut one."""
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        main([str(crops), "--out", str(whole), "--steps", "20", *OPTIONS])
        run = BridgeTrainer.run

        def interrupted(self: BridgeTrainer, num_steps: int) -> None:
            if self.step == 10:
                raise KeyboardInterrupt
            run(self, num_steps)

        monkeypatch.setattr(BridgeTrainer, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            main([str(crops), "--out", str(cut), "--steps", "20", *OPTIONS])
        monkeypatch.setattr(BridgeTrainer, "run", run)
        main([str(crops), "--out", str(cut), "--steps", "20", "--resume", *OPTIONS])

        assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()

    def test_torchrun_starts_two_processes(self, crops: Path, tmp_path: Path) -> None:
        """The documented command, over gloo; one of the two writes."""
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
        subprocess.run(
            [*command, "-m", "models.bridge", str(crops), "--out", str(tmp_path), "--steps", "2", *OPTIONS],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            check=True,
            timeout=120,
        )

        assert [2] == [record["step"] for record in json.loads((tmp_path / "history.json").read_text())]

    def test_says_what_to_do_about_an_empty_folder(self, tmp_path: Path) -> None:
        """A wrong path is no traceback."""
        with pytest.raises(SystemExit, match="unpack an exported data set"):
            main([str(tmp_path), "--out", str(tmp_path / "out"), *OPTIONS])


class TestReadCanvases:
    def test_centres_crops_with_their_colours(self, crops: Path) -> None:
        """Red comes first, as on every canvas, and black stays black."""
        canvases = read_canvases(crops, Preprocessing(16, 1.0))
        first = cv2.imread(str(crops / "slide-0" / "crop.png"))[3:9, 4:8, ::-1]

        assert (3, 3, 16, 16) == canvases.shape
        assert np.array_equal(first.transpose(2, 0, 1), canvases[0][:, 5:11, 6:10])
