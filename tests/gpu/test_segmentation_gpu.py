"""The same results on a GPU; passed over, and shown as skipped, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
import torch

from models.segmentation.metrics import count_matches, overlap_of
from models.segmentation.network import NetworkSpec
from models.segmentation.segmenter import CellposeSegmenter
from models.segmentation.training import LabelledImage, SegmenterTrainer, TrainingConfig, new_network
from services.pipelines.device import choose_device

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "models" / "weights" / "segmenter_chromosome.safetensors"


class TestCellposeSegmenterOnGpu:
    def test_agrees_with_the_cpu(self) -> None:
        """Devices round differently, so single pixels may differ, but the chromosomes are the same."""
        dapi = tifffile.imread(ROOT / "samples" / "A230150_dapi.tif")
        masks = {
            name: CellposeSegmenter(WEIGHTS.read_bytes(), torch.device(name)).segment(dapi).masks
            for name in ("cpu", "cuda")
        }
        counts = count_matches(overlap_of(masks["cpu"], masks["cuda"]), iou_threshold=0.9)

        assert counts.average_precision > 0.95

    def test_gives_the_same_masks_twice(self) -> None:
        """One device, one image, one answer."""
        dapi = tifffile.imread(ROOT / "samples" / "P0704XY_dapi.tif")
        segmenter = CellposeSegmenter(WEIGHTS.read_bytes(), torch.device("cuda"))

        assert (segmenter.segment(dapi).masks == segmenter.segment(dapi).masks).all()


class TestSegmenterTrainerOnGpu:
    def test_learns(self) -> None:
        """Two epochs on one metaphase lower the loss, in bfloat16 where the GPU has it."""
        truth, overlaps = tifffile.imread(ROOT / "samples" / "masks" / "A230150.tif")
        image = LabelledImage(tifffile.imread(ROOT / "samples" / "A230150_dapi.tif"), truth, overlaps)
        config = TrainingConfig(epochs=4, crops_per_image=16, warmup_epochs=0)
        net = new_network(config, NetworkSpec((8, 16, 32, 64), 40.0))
        trainer = SegmenterTrainer(net, [image], config, choose_device("cuda"))
        losses = [trainer.run_epoch() for _ in range(4)]

        assert losses[-1] < losses[0]
