"""Real generators whose weights nobody trained: every part around them runs as in a lab."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from api.wiring import Wiring
from models.bridge import network as bridge_network
from models.bridge import official as bridge_official
from models.bridge.generator import BridgeSpec
from models.bridge.samplers import Sampling
from models.bridge.scheduler import BrownianBridge
from models.classification.preprocessing import Preprocessing
from models.cyclegan import network as cyclegan_network
from models.cyclegan.generator import CycleganSpec
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService

Method = Literal["bbdm", "cyclegan"]
CANVAS_PX = 32
UNET = bridge_network.UNetConfig(base_channels=32, multipliers=(1, 2), residual_blocks=1)
RESNET = cyclegan_network.GeneratorConfig(width=8, blocks=2)
_PREPROCESSING = Preprocessing(canvas_px=CANVAS_PX)


@cache
def generator_weights(method: Method, seed: int = 0) -> bytes:
    """Seeded random weights, built once per test run."""
    if method == "bbdm":
        net = bridge_network.build(UNET, seed=seed)
        return bridge_official.to_safetensors(net.state_dict(), BrownianBridge(), net.config)
    return cyclegan_network.to_safetensors(cyclegan_network.build_generator(RESNET, seed=seed))


def generator_manifest(method: Method, name: str, seed: int = 0) -> dict[str, Any]:
    """Return the manifest that goes with `generator_weights`; a bridge takes few and short steps."""
    spec = (
        BridgeSpec(_PREPROCESSING, UNET, sampling=Sampling("dbim", steps=3))
        if method == "bbdm"
        else CycleganSpec(_PREPROCESSING, RESNET)
    )
    return {
        "kind": "generator",
        "name": name,
        "method": method,
        "trained": True,
        "weights_sha256": sha256_of(generator_weights(method, seed)),
        **spec.to_json(),
    }


def add_generator(wiring: Wiring, name: str, method: Method = "bbdm", *, seed: int = 0) -> str:
    """Add the next version of a generator and return its reference."""
    manifest, content = generator_manifest(method, name, seed), generator_weights(method, seed)
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        return artifacts.add("generator", name, manifest, {"weights.safetensors": content}).ref
