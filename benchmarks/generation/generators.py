"""The generators to compare (bridge, CycleGAN, painter), and the classifier's eye that judges them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.classification.classifier import Classifier, ClassifierSpec
from models.cyclegan.generator import CycleganGenerator, CycleganSpec
from models.generation.sources import CanvasGenerator
from models.quality.report import CropSet, QualityReport, quality_report
from models.simulation.painter import Painter

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"
BRIDGE = WEIGHTS / "generator_bridge.json"
CLASSIFIER = WEIGHTS / "classifier_translocation.json"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bridge(manifest_file: Path = BRIDGE) -> BridgeGenerator:
    """The bridge whose manifest lies in a file, with its weights beside it."""
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    return BridgeGenerator(_weights(manifest_file), BridgeSpec.from_manifest(manifest), DEVICE)


def cyclegan(manifest_file: Path) -> CycleganGenerator:
    """The CycleGAN whose manifest lies in a file, with its weights beside it."""
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    return CycleganGenerator(_weights(manifest_file), CycleganSpec.from_manifest(manifest), DEVICE)


def compared(cyclegan_manifest: Path | None) -> dict[str, CanvasGenerator]:
    """All generators that there are, by name."""
    found: dict[str, CanvasGenerator] = {"bridge": bridge()}
    if cyclegan_manifest is not None:
        found["CycleGAN"] = cyclegan(cyclegan_manifest)
    return found | {"painted": Painter()}


class Eye:
    """The shipped classifier, as the measure of what looks alike."""

    def __init__(self) -> None:
        manifest = json.loads(CLASSIFIER.read_text(encoding="utf-8"))
        self._classifier = Classifier(_weights(CLASSIFIER), ClassifierSpec.from_manifest(manifest), DEVICE)
        self.threshold = self._classifier.spec.threshold

    def embed(self, crops: CropSet) -> CropSet:
        """The same crops with their embeddings."""
        return CropSet(crops.canvases, crops.masks, crops.ids, crops.names, self.embeddings(crops.canvases))

    @property
    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Weight and bias of the last layer, and the temperature."""
        return *self._classifier.head, self._classifier.spec.temperature

    def embeddings(self, canvases: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 512) float32."""
        return self._classifier.score(canvases).embeddings

    def probabilities(self, canvases: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Of an aberration."""
        return self._classifier.score(canvases).probabilities

    def report(self, generated: CropSet, real: CropSet) -> QualityReport:
        """All figures of synthetic crops against real ones."""
        return quality_report(self.embed(generated), self.embed(real), seed=0)


def _weights(manifest_file: Path) -> bytes:
    beside = manifest_file.with_suffix(".safetensors")
    return (beside if beside.exists() else manifest_file.with_name("weights.safetensors")).read_bytes()
