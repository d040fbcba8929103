"""The classifier on a GPU; passed over, and shown as skipped, where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.classification import network
from models.classification.augmentation import PAPER
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

SPEC = ClassifierSpec(Preprocessing(canvas_px=64))


def crops(count: int) -> LabelledCanvases:
    """Noise, half of it with a bright stripe."""
    canvases = np.random.default_rng(0).integers(0, 120, (count, 3, 64, 64)).astype(np.uint8)
    labels = np.arange(count, dtype=np.int64) % 2
    canvases[labels == 1, 0, 20:40] = 255
    return LabelledCanvases(canvases, labels)


class TestClassifierOnGpu:
    def test_agrees_with_the_cpu(self) -> None:
        """Devices round differently, to about 1e-4."""
        weights = network.to_safetensors(network.build(seed=1))
        canvases = crops(40).canvases
        cpu, cuda = (Classifier(weights, SPEC, torch.device(d)).score(canvases) for d in ("cpu", "cuda"))

        assert np.allclose(cpu.embeddings, cuda.embeddings, rtol=1e-3, atol=1e-3)

    def test_is_the_same_bit_for_bit_in_any_batch(self) -> None:
        """As on the CPU."""
        classifier = Classifier(network.to_safetensors(network.build(seed=1)), SPEC, torch.device("cuda"))
        canvases = crops(300).canvases
        whole = classifier.score(canvases).embeddings

        assert whole[[7]].tobytes() == classifier.score(canvases[[7]]).embeddings.tobytes()
        assert whole[::-1].tobytes() == classifier.score(canvases[::-1]).embeddings.tobytes()


class TestClassifierTrainerOnGpu:
    def test_learns(self) -> None:
        """In bfloat16 where the GPU has it."""
        config = TrainingConfig(epochs=4, augmentation=PAPER)
        trainer = ClassifierTrainer(
            network.build(), crops(128), crops(32), spec=SPEC, config=config, device=torch.device("cuda")
        )
        losses = [trainer.run_epoch().loss for _ in range(4)]

        assert losses[-1] < losses[0]
