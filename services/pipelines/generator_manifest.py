"""The readable manifest that goes with a generator's weights, and the files beside them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from models.cyclegan.collapse import collapse_of
from models.state_files import sha256_of
from services.datasets.types import DatasetVersion
from services.jobs.params import GeneratorTrainingParams
from services.jobs.types import Job
from services.pipelines.generator_card import generator_card
from services.pipelines.generator_data import GeneratorData
from services.pipelines.generator_methods import METHODS
from services.pipelines.generator_networks import TrainedGenerator
from services.pipelines.generator_pictures import grey_dapi, losses_png, samples_png
from services.pipelines.generator_recipe import Recipe, differences_from_paper

RECORDED_LIBRARIES = ("torch", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Made:
    """What a training job has to show for itself."""

    params: GeneratorTrainingParams
    recipe: Recipe
    dataset: DatasetVersion
    data: GeneratorData
    trained: TrainedGenerator
    device: str


def generator_manifest(job: Job, made: Made) -> dict[str, Any]:
    """Describe a trained generator: what it takes, where it comes from, what its losses were."""
    dataset = made.dataset
    return {
        "kind": "generator",
        "name": made.params.name,
        "method": made.recipe.method,
        "trained": True,
        **METHODS[made.recipe.method].entries(made.recipe),
        "weights_sha256": sha256_of(made.trained.weights),
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "sha256": dataset.sha256,
            "description": dataset.manifest.get("description") or "",
            "licence": dataset.manifest.get("licence"),
        },
        "held_out_groups": made.data.held_out_groups,
        "parameters": made.params.model_dump(mode="json"),
        "recipe": made.recipe.to_json(),
        "differs_from_paper": differences_from_paper(made.recipe),
        "parents": list(job.artifacts.values()),
        "training": {
            "job_id": job.id,
            "aberrations": len(made.data.aberrations),
            "groups": list(made.data.groups),
            "steps": made.recipe.steps,
            "epochs": round(made.recipe.epochs, 2),
            "device": made.device,
            "examples_split": made.data.examples.split,
        },
        "metrics": _metrics(made),
        "libraries": recorded_libraries(),
        "licence": made.params.licence,
        "description": made.params.description,
    }


def generator_files(manifest: Mapping[str, Any], made: Made) -> dict[str, bytes]:
    """Weights, card, numbers and pictures of an artifact version."""
    moments = made.trained.moments
    validation = {one.step: one.validation_loss for one in moments if one.validation_loss is not None}
    return {
        "weights.safetensors": made.trained.weights,
        "card.md": generator_card(manifest).encode(),
        "history.json": json.dumps(made.trained.history, indent=1).encode(),
        "training.png": losses_png(made.trained.history, validation, manifest["metrics"].get("collapse")),
        "samples.png": _samples(made),
    }


def recorded_libraries() -> dict[str, str]:
    """Versions of what computed the weights."""
    return {"python": platform.python_version()} | {name: version(name) for name in RECORDED_LIBRARIES}


def _metrics(made: Made) -> dict[str, Any]:
    """Return figures of the training: none of them is of the test split."""
    history, last = made.trained.history, made.trained.moments[-1]
    metrics: dict[str, Any] = {"validation_aberrations": len(made.data.validation)}
    if history:
        metrics |= {"training": {name: value for name, value in history[-1].items() if name != "step"}}
        metrics["training_loss"] = history[-1].get("loss")
    metrics["validation_loss"] = last.validation_loss
    if made.recipe.method == "cyclegan":
        metrics["collapse"] = collapse_of(made.trained.history)
    return metrics


def _samples(made: Made) -> bytes:
    """Draw what it was given, what is real, and what it made of it over time."""
    examples = made.data.examples
    canvases = examples.sources.canvases
    rows = {"DAPI, given": grey_dapi(canvases), "real": canvases}
    for moment in made.trained.moments:
        share = round(100 * moment.step / made.recipe.steps)
        rows[f"step {moment.step} ({share} %)"] = moment.canvases
    source = "validation" if examples.split == "val" else "training (validation has no aberration)"
    return samples_png(rows, examples.captions, f"Fixed crops of {source}, generated as it learnt")
