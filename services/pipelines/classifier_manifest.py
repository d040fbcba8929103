"""The readable manifest that goes with a classifier's weights, and the files beside them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from models.classification.calibration import Calibration
from models.classification.classifier import CLASSES, ClassifierSpec, Scores, probabilities
from models.classification.evaluation import Evaluation, Summary
from models.classification.training_set import LabelledCanvases
from models.state_files import sha256_of
from services.datasets.types import DatasetVersion
from services.jobs.params import ClassifierTrainingParams
from services.jobs.types import Job
from services.pipelines.classifier_card import classifier_card
from services.pipelines.classifier_networks import TrainedNetwork
from services.pipelines.classifier_pictures import gallery_png, reliability_png, roc_pr_png, training_png
from services.pipelines.classifier_recipe import recipe_of
from services.pipelines.training_data import SplitData

RECORDED_LIBRARIES = ("torch", "numpy", "scikit-learn", "opencv-python-headless")
NUM_SHOWN = 48


@dataclass(frozen=True)
class Trained:
    """What a training job has to show for itself; `kept` is the index of the network that counts.

    `evaluations`, `scores` and `calibration` are the kept network's; `summaries` cover all of them.
    """

    spec: ClassifierSpec
    calibration: Calibration
    kept: int
    networks: tuple[TrainedNetwork, ...]
    evaluations: Mapping[str, Evaluation]
    summaries: Mapping[str, Summary]
    scores: Mapping[str, Scores]
    splits: Mapping[str, SplitData]
    train: LabelledCanvases
    device: str

    @property
    def network(self) -> TrainedNetwork:
        """The network that counts."""
        return self.networks[self.kept]


def classifier_manifest(
    job: Job, params: ClassifierTrainingParams, dataset: DatasetVersion, trained: Trained
) -> dict[str, Any]:
    """Describe a trained classifier: what it takes, where it comes from, how good it is."""
    spec = trained.spec.to_json()
    spec["calibration"] |= trained.calibration.to_json()
    return {
        "kind": "classifier",
        "name": params.name,
        "architecture": "resnet18",
        "classes": list(CLASSES),
        "trained": True,
        **spec,
        "weights_sha256": sha256_of(trained.network.weights),
        "dataset": {"name": dataset.name, "version": dataset.version, "sha256": dataset.sha256},
        "held_out_groups": {
            name: sorted(set(split.groups)) for name, split in trained.splits.items() if name != "train"
        },
        "parameters": params.model_dump(mode="json"),
        "recipe": asdict(recipe_of(params, params.seed).training),
        "parents": list(job.artifacts.values()),
        "training": {
            "job_id": job.id,
            "normal": int((trained.train.labels == 0).sum()),
            "aberration": int(trained.train.labels.sum()),
            "groups": sorted(set(trained.splits["train"].groups)),
            "seeds": [one.seed for one in trained.networks],
            "kept_seed": trained.network.seed,
            "kept_epoch": trained.network.best_epoch,
            "device": trained.device,
        },
        "metrics": {name: one.to_json(curves=False) for name, one in trained.evaluations.items()},
        "seeds": {name: one.to_json() for name, one in trained.summaries.items()},
        "libraries": {"python": platform.python_version()}
        | {name: version(name) for name in RECORDED_LIBRARIES},
        "licence": params.licence,
        "description": params.description,
    }


def classifier_files(manifest: Mapping[str, Any], trained: Trained) -> dict[str, bytes]:
    """Weights, card, numbers and pictures of an artifact version."""
    files = {
        "weights.safetensors": trained.network.weights,
        "card.md": classifier_card(manifest).encode(),
        "evaluation.json": _json({name: one.to_json() for name, one in trained.evaluations.items()}),
        "history.json": _json(
            [
                {"seed": one.seed, "epochs": [vars(record) for record in one.history]}
                for one in trained.networks
            ]
        ),
        "training.png": training_png([one.history for one in trained.networks], trained.kept),
    }
    if trained.evaluations:
        files["roc_pr.png"] = roc_pr_png(trained.evaluations)
        files["reliability.png"] = reliability_png(trained.evaluations)
    for name in trained.evaluations:
        files |= _mistakes(name, trained)
    return files


def _mistakes(name: str, trained: Trained) -> dict[str, bytes]:
    """Galleries of what was missed and of what was wrongly flagged, the surest mistakes first."""
    split, scores = trained.splits[name], trained.scores[name]
    probability = probabilities(scores.logits, trained.spec.temperature)
    flagged = probability >= trained.spec.threshold
    pictures = {}
    for title, rows, order in (
        ("false_negatives", np.nonzero(~flagged & (split.labels == 1))[0], 1.0),
        ("false_positives", np.nonzero(flagged & (split.labels == 0))[0], -1.0),
    ):
        chosen = rows[np.argsort(order * probability[rows], kind="stable")][:NUM_SHOWN]
        captions = [f"p {probability[row]:.2f}  {split.groups[row]}" for row in chosen]
        shown = f"{title.replace('_', ' ')}, {name}: {len(chosen)} of {len(rows)}"
        pictures[f"{title}_{name}.png"] = gallery_png(split.canvases[chosen], captions, shown)
    return pictures


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()
