"""A real classifier whose weights nobody trained: every part around it runs as in a lab."""

from __future__ import annotations

from functools import cache

from api.wiring import Wiring
from models.classification import network
from models.classification.classifier import ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService

CANVAS_PX = 32


@cache
def weights(seed: int = 0) -> bytes:
    """Seeded random weights, built once per test run."""
    return network.to_safetensors(network.build(seed=seed), half=True)


def add_classifier(wiring: Wiring, name: str, *, trained: bool = True, seed: int = 0) -> str:
    """Add the next version of a classifier and return its reference."""
    # Logits of random weights are large; the temperature spreads the probabilities over (0, 1).
    spec = ClassifierSpec(Preprocessing(canvas_px=CANVAS_PX), temperature=4.0)
    content = weights(seed)
    manifest = {
        "kind": "classifier",
        "name": name,
        "architecture": "resnet18",
        "classes": ["normal", "aberration"],
        "weights_sha256": sha256_of(content),
        "trained": trained,
        **spec.to_json(),
    }
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        return artifacts.add("classifier", name, manifest, {"weights.safetensors": content}).ref
