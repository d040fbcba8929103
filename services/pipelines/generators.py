"""The table of generators: from an artifact version to something that makes canvases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import torch

from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.bridge.samplers import Sampling
from models.classification.preprocessing import Preprocessing
from models.cyclegan.generator import CycleganGenerator, CycleganSpec
from models.generation.errors import GenerationError
from models.generation.sources import CanvasGenerator
from models.simulation.painter import Painter
from models.simulation.painting import Painting, PaintingError, UnpaintableError
from models.state_files import WeightsError
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.generation.methods import method_of
from services.jobs.types import Job
from services.pipelines.device import device_of
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources

Network = TypeVar("Network")
GENERATOR_FAILURES: Final = (GenerationError, UnpaintableError)
"""What one batch may do to itself; made fit for its row by `ItemError.of`."""


@dataclass(frozen=True)
class OpenGenerator:
    """An exact generator version, ready to work with the parameters of one job."""

    version: ArtifactVersion
    preprocessing: Preprocessing
    generator: CanvasGenerator

    @property
    def ref(self) -> str:
        """``name/version``."""
        return self.version.ref


@dataclass(frozen=True)
class _Opening:
    """What a loader works with."""

    version: ArtifactVersion
    job: Job
    artifacts: ArtifactService
    resources: Resources

    def network(self, load: Callable[[bytes, torch.device], Network]) -> Network:
        """Load a network once per process; what a job asks for must not be a part of it."""
        device = device_of(self.resources.settings)
        key = ("generator", self.version.sha256, str(device))
        return self.resources.cache.get_or_load(
            key, lambda: load(self.artifacts.open_file(self.version, "weights.safetensors"), device)
        )


def open_generator(job: Job, resources: Resources) -> OpenGenerator:
    """Make ready the generator of a job; its network stays loaded in this process.

    Raises
    ------
    KaryobridgeError
        The generator cannot be loaded.
    """
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("generator", job.artifacts["generator"])
    try:
        generator = _LOADERS[method_of(version)](_Opening(version, job, artifacts, resources))
    except (WeightsError, PaintingError) as error:
        raise ItemError.of(error) from error
    return OpenGenerator(version, Preprocessing.from_json(version.manifest["preprocessing"]), generator)


def _bridge(opening: _Opening) -> CanvasGenerator:
    spec = BridgeSpec.from_manifest(opening.version.manifest)
    bridge = opening.network(lambda weights, device: BridgeGenerator(weights, spec, device))
    return bridge.using(Sampling(**opening.job.inputs["sampling"]))


def _cyclegan(opening: _Opening) -> CanvasGenerator:
    spec = CycleganSpec.from_manifest(opening.version.manifest)
    return opening.network(lambda weights, device: CycleganGenerator(weights, spec, device))


def _painted(opening: _Opening) -> CanvasGenerator:
    own = opening.version.manifest["parameters"]
    return Painter(Painting.from_json(own | (opening.job.params["painting"] or {})))


_LOADERS: Final[Mapping[str, Callable[[_Opening], CanvasGenerator]]] = MappingProxyType(
    {"bbdm": _bridge, "cyclegan": _cyclegan, "painted": _painted}
)
