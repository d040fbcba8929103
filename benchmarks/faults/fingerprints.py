"""What a job made, as plain values that do not depend on when, where and under which ids it ran.

Two undisturbed runs of each kind are compared first. What is equal in both is promised, and must be
equal after any fault; `PROMISED` names what has to be among it, so that a promise cannot get lost.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.faults.stage import Stage

Fingerprint = dict[str, Any]

PROMISED: Final[Mapping[str, tuple[str, ...]]] = {
    "segmentation": ("items", "crops", "segmentations"),
    "scoring": ("items", "crops", "segmentations", "predictions", "embeddings"),
    "classification": ("items", "predictions", "embeddings"),
    "generation": ("items", "crops", "synthetic"),
    "segmenter_training": ("file weights.safetensors",),
    "classifier_training": ("file weights.safetensors",),
    "generator_training": ("file weights.safetensors", "file samples.png", "file history.json"),
    "filter_fitting": ("file filter.safetensors",),
    "filtering": ("items", "filter_scores", "embeddings"),
    "study": ("study",),
    "simulation": ("dataset",),
    "artifact_import": ("file weights.safetensors",),
    "diagnostic": ("items",),
}
_VOLATILE: Final = frozenset({"seconds", "attempt", "attempts", "links", "artifact", "dataset", "map"})
_IDS: Final = re.compile(r"\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b")

_QUERIES: Final[Mapping[str, str]] = {
    "items": "SELECT position, status, outputs, error->>'code' FROM job_items WHERE job_id = :job "
    "ORDER BY position",
    "crops": "SELECT image_id, source_crop_id, label, bbox, area_px, orientation_deg, flags, pack_key, "
    "pack_index FROM crops WHERE job_id = :job AND origin <> 'simulated' "
    "ORDER BY image_id, pack_key, pack_index",
    "synthetic": "SELECT c.source_crop_id, s.seed, s.sample_number, s.canvas_scale FROM synthetic_crops s "
    "JOIN crops c ON c.id = s.crop_id WHERE c.job_id = :job ORDER BY 1, 3",
    "segmentations": "SELECT image_id, masks_key, crops_key, num_chromosomes, num_touching "
    "FROM segmentations WHERE job_id = :job ORDER BY image_id",
    "predictions": 'SELECT p."class", p.probability, p.item_position, p.embedding_row FROM predictions p '
    "JOIN crops c ON c.id = p.crop_id WHERE p.job_id = :job "
    "ORDER BY p.item_position, c.pack_key, c.pack_index",
    "embeddings": "SELECT sha256, num_rows FROM embedding_sets WHERE job_id = :job",
    "filter_scores": "SELECT f.x, f.y, f.component, f.mahalanobis2, f.needed_level, f.knn_distance, "
    "f.knn_percentile, f.kept, f.item_position FROM filter_scores f JOIN crops c ON c.id = f.crop_id "
    "WHERE f.job_id = :job ORDER BY f.item_position, c.pack_key, c.pack_index",
}


def fingerprint(stage: Stage, job_id: str) -> Fingerprint:
    """Return named digests of everything that a job made."""
    from tests.support.studied import lasting  # noqa: PLC0415 - torch, which tables of rounds need not

    (job,) = stage.rows("SELECT kind, status, result FROM jobs WHERE id = :job", job=job_id)
    found: Fingerprint = {"status": job.status, "result": _digest(_steady(job.result))}
    for name, query in _QUERIES.items():
        rows = [list(row) for row in stage.rows(query, job=job_id)]
        if rows:
            found[name] = _digest(_steady(rows))
            found[f"number of {name}"] = len(rows)
    for version in stage.rows("SELECT kind, files FROM artifact_versions WHERE job_id = :job", job=job_id):
        found |= {f"file {name}": file["sha256"] for name, file in version.files.items()}
        if version.kind == "study":
            content = stage.objects.read(version.files["results.json"]["key"])
            found["study"] = None if content is None else _digest(lasting(json.loads(content)))
    if job.kind == "simulation":
        found |= _dataset_of(stage, job.result)
    return found


def promised(first: Fingerprint, second: Fingerprint) -> Fingerprint:
    """Return what two undisturbed runs have in common."""
    return {name: value for name, value in first.items() if name in second and second[name] == value}


def missing_promises(kind: str, common: Fingerprint) -> list[str]:
    """Name what two undisturbed runs ought to agree on and do not."""
    return [name for name in PROMISED[kind] if name not in common]


def differences(expected: Fingerprint, found: Fingerprint) -> list[str]:
    """Name what is not as in an undisturbed run."""
    return [name for name, value in expected.items() if found.get(name) != value]


def _dataset_of(stage: Stage, result: Mapping[str, Any]) -> Fingerprint:
    if "dataset" not in result:
        return {}
    name, version = result["dataset"].split("/")
    query = (
        "SELECT d.sha256, count(*) AS items, count(DISTINCT i.crop_id) AS crops FROM dataset_versions d "
        "JOIN dataset_items i ON i.dataset_name = d.name AND i.dataset_version = d.version "
        "WHERE d.name = :name AND d.version = :version GROUP BY d.sha256"
    )
    return {
        "dataset": [list(row) for row in stage.rows(query, name=name, version=int(version))],
    }


def _steady(value: Any) -> Any:
    """Leave out times and references, and replace ids, which differ from run to run."""
    if isinstance(value, Mapping):
        return {name: _steady(inner) for name, inner in value.items() if name not in _VOLATILE}
    if isinstance(value, (list, tuple)):
        return [_steady(inner) for inner in value]
    return _IDS.sub("<id>", value) if isinstance(value, str) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
