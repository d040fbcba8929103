"""A small job of every kind, made of several items or checkpoints, and submitted as a client would."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.faults.inputs import Inputs, fresh_crops
from benchmarks.faults.stage import Stage
from client.http import Client

TINY_STUDY: Final[Mapping[str, Any]] = {
    "size": "quick",
    "arms": ["augmented"],
    "condition_arms": ["augmented"],
    "num_seeds": 1,
    "condition_seeds": 1,
    "leave_out": {},
    "aberration_counts": [],
    "steps": 6,
    "batch_size": 4,
    "canvas_px": 32,
}
TINY_SIMULATION: Final[Mapping[str, Any]] = {
    "preset": "easy",
    "train_slides": 2,
    "val_slides": 1,
    "test_slides": 1,
    "train_aberrations": 16,
    "val_aberrations": 4,
    "test_aberrations": 4,
    "normal_ratio": 1.5,
    "unlabelled": 4,
}


def submit(kind: str, stage: Stage, inputs: Inputs, client: Client) -> str:
    """Submit a job and return its id: what answered with 2xx must not get lost."""
    if kind == "artifact_import":
        return client.upload_artifact("segmenter", "faults-imported", inputs.weights).id
    if kind == "study":
        stage.objects.delete_below("studies")  # what earlier ones keep, so that this one computes all of it
    body = {"external_id": f"faults-{uuid.uuid4().hex}"} | body_of(kind, stage, inputs)
    return client.submit(kind, **body).id


def body_of(kind: str, stage: Stage, inputs: Inputs) -> dict[str, Any]:
    """Return the parameters and selections of a small job."""
    name = f"faults-{kind.replace('_', '-')}"
    bodies: dict[str, dict[str, Any]] = {
        "segmentation": {"image_ids": inputs.images},
        "scoring": {"image_ids": inputs.scored_images, "classifier": inputs.classifier},
        "classification": {"crop_ids": inputs.crops, "classifier": inputs.classifier},
        "generation": {
            "crop_ids": inputs.crops,
            "generator": inputs.generator,
            "steps": 6,
            "seed": 4,
            "quality": False,
        },
        "segmenter_training": {
            "image_ids": inputs.drawn_images,
            "name": name,
            "segmenter": "chromosome/1",
            "epochs": 3,
            "crops_per_image": 1,
            "crop_px": 64,
            "validation_fraction": 0.5,
        },
        "classifier_training": {
            "dataset": inputs.few_bars,
            "name": name,
            "epochs": 3,
            "batch_size": 8,
            "canvas_px": 32,
            "scale": 0.7,
            "patience_epochs": 3,
            "evaluate_test": False,
        },
        "generator_training": {
            "dataset": inputs.few_bars,
            "name": name,
            "steps": 5,
            "batch_size": 1,
            "canvas_px": 32,
            "scale": 0.7,
            "size": "small",
            "sample_steps": 3,
        },
        "filter_fitting": {
            "dataset": inputs.bars,
            "name": name,
            "classifier": inputs.fitted_classifier,
            "n_neighbors": 8,
        },
        "study": {"name": name, "dataset": inputs.simulated, **TINY_STUDY},
        "simulation": {"name": f"sim-{uuid.uuid4().hex[:10]}", **TINY_SIMULATION},
        "diagnostic": {"items": 8, "seconds_per_item": 0.2},
    }
    if kind == "filtering":  # crops that were embedded once would not be again
        return {"crop_ids": fresh_crops(stage), "filter": inputs.filter}
    return bodies[kind]
