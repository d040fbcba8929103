"""Rows about the networks that were used: identity first, then what their manifests say, flattened."""

from __future__ import annotations

from typing import Any

from client.demo.results import DemoResult
from client.records import ArtifactVersion

_GENERATOR_MEMBERS = ("method", "preprocessing", "sampling", "dataset", "licence", "description")
_FILTER_MEMBERS = ("filter", "dataset", "licence", "description")
# A classifier's metrics have a table of their own, and its parameters fill pages.
_CLASSIFIER_MEMBERS = (
    "architecture", "preprocessing", "calibration", "test_time_flips", "dataset", "held_out_groups",
    "training", "parents", "licence", "description",
)  # fmt: skip


def facts_of_weights(result: DemoResult) -> list[tuple[str, str]]:
    """Name and value of everything worth telling, network by network."""
    told = (result.job.result or {}).get("weights_sha256")
    hashes = told if isinstance(told, dict) else {"segmenter": told}
    facts = _identity("Segmenter", result.segmenter, hashes.get("segmenter"))
    facts += _flat(result.segmenter.manifest)
    if result.classifier is not None:
        manifest = result.classifier.manifest
        facts += _identity("Classifier", result.classifier, hashes.get("classifier"))
        facts += _flat({name: manifest[name] for name in _CLASSIFIER_MEMBERS if name in manifest})
    for made in result.synthetic:
        manifest = made.generator.manifest
        facts += _identity("Generator", made.generator, manifest.get("weights_sha256"))
        facts += _flat({name: manifest[name] for name in _GENERATOR_MEMBERS if name in manifest})
    if result.filtered is not None:
        manifest = result.filtered.filter.manifest
        facts += _identity("Filter", result.filtered.filter, manifest.get("weights_sha256"))
        facts += _flat({name: manifest[name] for name in _FILTER_MEMBERS if name in manifest})
    return facts


def _identity(role: str, version: ArtifactVersion, weights_sha256: str | None) -> list[tuple[str, str]]:
    facts = [(role, f"{version.name}, version {version.version}")]
    if weights_sha256:
        facts.append(("SHA-256 of the weights", str(weights_sha256)))
    if version.sha256:
        facts.append(("SHA-256 of the artifact", version.sha256))
    return facts


def _flat(manifest: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for name, value in manifest.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            facts += _flat(value, f"{label}: ")
        elif isinstance(value, list):
            facts.append((label, ", ".join(str(entry) for entry in value)))
        elif value is not None:
            facts.append((label, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return facts
