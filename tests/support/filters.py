"""Real filters on embeddings of the tests, laid out by hand instead of by UMAP."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.wiring import Wiring
from models.filtering.elementwise import row_means
from models.filtering.files import to_bytes
from models.filtering.filter import Filter, FilterSpec
from models.filtering.mixture import Mixture
from models.filtering.rules.ellipse import EllipseRule
from models.filtering.rules.face import Rule
from models.filtering.rules.keep_all import KeepAllRule
from models.manifold.manifold import Manifold, ManifoldSpec
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService

NUM_ROWS = 40
_MAP = ManifoldSpec(
    n_neighbors=5, min_dist=0.1, a=1.577, b=0.895, seed=0, rng_state=(11, -22, 33), n_epochs=30
)


def small_filter(
    embeddings: NDArray[np.float32],
    *,
    classifier: str,
    classifier_sha256: str,
    level: float = 0.6,
    max_percentile: float | None = None,
    method: str = "umap",
) -> Filter:
    """A filter whose training rows, the second half of them aberrations, lie at random places of the map."""
    rng = np.random.default_rng(0)
    coordinates = rng.normal(size=(len(embeddings), 2)).astype(np.float32)
    manifold = Manifold(_MAP, embeddings, coordinates)
    labels = np.arange(len(embeddings)) >= len(embeddings) // 2
    placed = manifold.project(embeddings, excluded=np.arange(len(embeddings)))
    rule: Rule = KeepAllRule()
    if method == "umap":
        places = placed.coordinates[labels].astype(np.float64)
        centre, spread = places.mean(axis=0), np.cov(places.T)
        means, covariances = np.stack([centre, centre + 1.0]), np.stack([spread, spread])
        rule = EllipseRule(Mixture(np.array([0.6, 0.4]), means, covariances))
    spec = FilterSpec(rule.method, level, "A test says so.", max_percentile, classifier, classifier_sha256)
    return Filter(spec, manifold, rule, np.sort(row_means(placed.distances)), labels)


def manifest_of(found: Filter, content: bytes, name: str) -> dict[str, Any]:
    """What a version says that is read again."""
    return {
        "kind": "filter",
        "name": name,
        "filter": found.spec.to_json(),
        "manifold": found.manifold.spec.to_json(),
        "classifier": {"ref": found.spec.classifier, "weights_sha256": found.spec.classifier_sha256},
        "weights_sha256": sha256_of(content),
    }


def add_filter(wiring: Wiring, found: Filter, name: str | None = None, **manifest: Any) -> str:
    """Add the next version of a filter and return its reference."""
    name = name or f"f-{uuid.uuid4().hex[:8]}"
    content = to_bytes(found)
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        told = manifest_of(found, content, name) | manifest
        return artifacts.add("filter", name, told, {"filter.safetensors": content}).ref


def filter_on(wiring: Wiring, classifier: str, embeddings: NDArray[np.float32], **options: Any) -> Filter:
    """A filter of a classifier that is here."""
    with wiring.readers() as session:
        version = ArtifactService(session, wiring.store).resolve("classifier", classifier)
    sha256 = version.manifest["weights_sha256"]
    return small_filter(embeddings, classifier=version.ref, classifier_sha256=sha256, **options)
