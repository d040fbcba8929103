"""Generation jobs on chromosomes that are quickly painted, and what they leave."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from api.wiring import Wiring
from models.bridge import network as bridge_network
from models.bridge.generator import BridgeSpec
from models.bridge.network import UNetConfig
from models.bridge.official import to_safetensors
from models.bridge.samplers import Sampling
from models.classification.preprocessing import Preprocessing
from models.cyclegan import network as cyclegan_network
from models.cyclegan.generator import CycleganSpec
from models.cyclegan.network import GeneratorConfig
from models.segmentation.crops import CropPack
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService
from services.artifacts.shipped import register_shipped
from services.crops.repository import CropRepository
from services.crops.types import Crop, CropFilter
from services.db.tables import DatasetItemRow, DatasetVersionRow
from services.jobs.params import GenerationRequest
from services.jobs.types import Job
from services.pagination import PageRequest
from services.storage.base import ObjectStore
from tests.support.jobs import run_here

CANVAS_PX = 32
SCALE = 1.0


def add_painter(wiring: Wiring, **manifest: Any) -> str:
    """Add a painter of tiny canvases under a name of its own, and return its reference."""
    register_shipped(wiring.sessions, wiring.store)
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        shipped = artifacts.resolve("generator", "painted/1")
        canvas = {"canvas_px": CANVAS_PX, "scale": SCALE, "background": "zero"}
        own = dict(shipped.manifest) | {"preprocessing": canvas} | manifest
        return artifacts.add("generator", f"p-{uuid.uuid4().hex[:8]}", own, {"card.md": b"small"}).ref


def add_bridge(wiring: Wiring, **manifest: Any) -> str:
    """Add a Brownian Bridge of random weights that says it was trained, and return its reference."""
    net = bridge_network.build(UNetConfig(32, (1, 1), 1, 32), seed=0)
    spec = BridgeSpec(Preprocessing(CANVAS_PX, SCALE), net.config, sampling=Sampling(steps=4))
    weights = to_safetensors(net.state_dict(), spec.bridge, net.config)
    return _add_network(wiring, "bbdm", weights, spec.to_json() | manifest)


def add_cyclegan(wiring: Wiring, **manifest: Any) -> str:
    """Add a CycleGAN of random weights that says it was trained, and return its reference."""
    net = cyclegan_network.build_generator(GeneratorConfig(width=4, blocks=1), seed=0)
    spec = CycleganSpec(Preprocessing(CANVAS_PX, SCALE), net.config)
    return _add_network(wiring, "cyclegan", cyclegan_network.to_safetensors(net), spec.to_json() | manifest)


def _add_network(wiring: Wiring, method: str, weights: bytes, manifest: dict[str, Any]) -> str:
    told = {"kind": "generator", "method": method, "trained": True, "weights_sha256": sha256_of(weights)}
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        name = f"n-{uuid.uuid4().hex[:8]}"
        return artifacts.add("generator", name, told | manifest, {"weights.safetensors": weights}).ref


def submit(wiring: Wiring, generator: str, **fields: Any) -> Job:
    """Submit a generation, without a quality report unless it is asked for."""
    request = GenerationRequest(
        **{"kind": "generation", "generator": generator, "quality": False, **fields}  # type: ignore[arg-type]
    )
    return wiring.submissions.submit(request)


def generate(wiring: Wiring, generator: str, **fields: Any) -> Job:
    """Generate in this process."""
    job = run_here(wiring, submit(wiring, generator, **fields).id)

    assert job.status == "succeeded", job.error
    return job


def crops_of(wiring: Wiring, job_id: str) -> list[Crop]:
    """All crops of a small job, in the order of their ids."""
    with wiring.readers() as session:
        page = CropRepository(session).list_page(CropFilter(job_id=job_id), PageRequest(limit=1000))

    assert page.next_cursor is None
    return list(page.items)


def pack_of(store: ObjectStore, crop: Crop) -> CropPack:
    """The pack that a crop lies in."""
    return CropPack.from_npz(store.get(crop.pack_key))


def pixels_of(store: ObjectStore, crops: Sequence[Crop]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(N, 3, S, S) of generated crops."""
    return np.stack([pack_of(store, crop).pixels[crop.pack_index] for crop in crops]).astype(np.uint8)


def add_dataset(
    wiring: Wiring, items: Sequence[tuple[str, str, str]], *, name: str | None = None, sha256: str = "0" * 64
) -> str:
    """Record a data set version of (crop id, class, split), a slide per split, and return its reference."""
    name = name or f"d-{uuid.uuid4().hex[:8]}"
    with wiring.sessions.begin() as session:
        row = DatasetVersionRow(name=name, version=1, sha256=sha256, source="import", manifest={}, counts={})
        session.add(row)
        session.flush()
        session.add_all(
            DatasetItemRow(
                dataset_name=name,
                dataset_version=1,
                position=position,
                crop_id=crop_id,
                item_class=item_class,
                split=split,
                group=f"slide-{split}",
                chromosome=crop_id,
                sha256=crop_id.ljust(64, "0")[:64],
            )
            for position, (crop_id, item_class, split) in enumerate(items)
        )
    return f"{name}/1"
