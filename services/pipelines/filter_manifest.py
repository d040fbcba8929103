"""The readable manifest that goes with a filter."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from models.filtering.filter import Filter
from models.filtering.fitting import FittedFilter
from models.state_files import sha256_of
from services.artifacts.types import ArtifactVersion
from services.datasets.types import DatasetVersion
from services.filtering.selection import EMBEDDING_KEYS
from services.jobs.params import FilterFittingParams
from services.jobs.types import Job
from services.pipelines.filter_data import FilterItems, SplitRows, seen_by

RECORDED_LIBRARIES: Final = ("numpy", "numba", "umap-learn", "scikit-learn", "torch")


@dataclass(frozen=True)
class Fitted:
    """What a fitting job has to show for itself."""

    params: FilterFittingParams
    dataset: DatasetVersion
    classifier: ArtifactVersion
    chosen: FilterItems
    train: SplitRows
    val: SplitRows
    fitted: FittedFilter
    content: bytes


def filter_manifest(job: Job, made: Fitted) -> dict[str, Any]:
    """Describe a fitted filter: what it keeps, whose embeddings it reads, what it was fitted on."""
    report, classifier, dataset = made.fitted.report, made.classifier.manifest, made.dataset
    return {
        "kind": "filter",
        "name": made.params.name,
        **described(made.fitted.filter, made.content),
        "classifier": {
            "ref": made.classifier.ref,
            "weights_sha256": made.fitted.filter.spec.classifier_sha256,
            **{key: classifier[key] for key in EMBEDDING_KEYS},
        },
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "sha256": dataset.sha256,
            "description": dataset.manifest.get("description") or "",
            "licence": dataset.manifest.get("licence"),
        },
        "held_out_groups": dict(made.chosen.held_out_groups),
        "parameters": made.params.model_dump(mode="json"),
        "parents": list(job.artifacts.values()),
        "fit": {
            "job_id": job.id,
            "aberrations": report["rows"]["train"]["aberration"],
            "normals": report["rows"]["train"]["normal"],
            "groups": sorted(set(made.train.groups)),
            "classifier_saw": dict(seen_by(classifier, dataset, made.chosen)),
            "components": report["mixture"],
            **{name: report[name] for name in ("coordinates", "bic", "folds")},
            "notes": [*_thinning(made), *report["notes"]],
        },
        "metrics": {name: report[name] for name in ("rows", "acceptance", "curve", "beyond_p99")},
        "libraries": {"python": platform.python_version()}
        | {name: version(name) for name in RECORDED_LIBRARIES},
        "licence": made.params.licence,
        "description": made.params.description,
    }


def _thinning(made: Fitted) -> Iterator[str]:
    """Say that not every normal crop was fitted, where that is so."""
    left_out, normals = made.chosen.normals_left_out, made.fitted.report["rows"]["train"]["normal"]
    if left_out:
        yield (
            f"Of the {normals + left_out:,} normal crops of the training split {normals:,} were fitted, at "
            f"most {made.params.normal_ratio:g} for each aberration (normal_ratio), drawn with seed "
            f"{made.params.seed}."
        )


def described(found: Filter, content: bytes) -> Mapping[str, Any]:
    """Return the entries that follow from the filter itself, whoever fitted it.

    Parameters
    ----------
    content
        The filter's file.
    """
    return {
        "filter": found.spec.to_json(),
        "manifold": found.manifold.spec.to_json(),
        "mixture": None if found.mixture is None else found.mixture.to_json(),
        "weights_sha256": sha256_of(content),
    }
