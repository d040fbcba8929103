"""Training a segmenter on a lab's own masks: a new artifact version with its held-out metrics.

The run is cut into epochs. After each of them progress is told, and every minute a checkpoint is
stored, from which another worker continues exactly where this one died.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from models.segmentation import network
from models.segmentation.evaluation import Evaluation, evaluate
from models.segmentation.segmenter import CellposeSegmenter
from models.segmentation.training import LabelledImage, SegmenterTrainer, TrainingConfig, new_network
from services.artifacts.service import ArtifactService
from services.errors import InvalidInputError
from services.images.mask_exports import read_masks
from services.images.repository import AnnotatedMasks, Image, ImageRepository, load_stack
from services.jobs.context import JobContext
from services.jobs.params import SegmenterTrainingParams
from services.pipelines.device import device_of
from services.pipelines.handing_back import kept_when_handed_back
from services.pipelines.pictures import curve_png
from services.pipelines.resources import Resources
from services.pipelines.segmenter_manifest import segmenter_manifest
from services.pipelines.splits import split_groups
from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.keys import checkpoint_key

NEW_NETWORK = network.NetworkSpec(channels=(16, 32, 64, 128), diam_mean_px=40.0)


@dataclass(frozen=True)
class _Split:
    """Labelled images for learning and for the reported metrics, and the groups held out."""

    train: list[LabelledImage]
    held_out: list[LabelledImage]
    held_out_groups: tuple[str, ...]


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Train, evaluate on slides that were held out, and add an artifact version.

    Raises
    ------
    InvalidInputError
        An image has no annotated masks.
    """
    params = SegmenterTrainingParams.model_validate(context.job.params)
    split = _load(context, resources, params)
    trainer = _trainer(context, resources, params, split)
    forget = partial(resources.store.delete, _checkpoint_key(context))
    context.when_overtaken(forget)
    _train(context, resources, trainer)
    weights = network.to_safetensors(trainer.net)
    context.progress(params.epochs, params.epochs, "epochs", "evaluating on held-out slides")
    evaluation = _evaluate(context, weights, trainer, split.held_out)
    manifest = segmenter_manifest(
        params.name,
        trainer.net,
        weights,
        trainer.config.diameter_px,
        _about(context, trainer, split, evaluation),
    )
    files = {"weights.safetensors": weights, "loss.png": curve_png("loss", trainer.losses)}
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            "segmenter", params.name, manifest, files, job_id=context.job.id
        )
    forget()
    return {
        "artifact": version.ref,
        "metrics": manifest["metrics"],
        "final_loss": trainer.losses[-1],
        "links": {"artifact": f"/v1/artifacts/segmenter/{version.ref}"},
    }


def _load(context: JobContext, resources: Resources, params: SegmenterTrainingParams) -> _Split:
    image_ids: list[str] = context.job.inputs["image_ids"]
    with resources.session_factory() as session:
        repository = ImageRepository(session)
        images = repository.require(image_ids)
        masks = repository.newest_masks(image_ids)
    without = [image.id for image in images if image.id not in masks]
    if without:
        raise InvalidInputError(
            f"{len(without)} of {len(images)} images have no annotated masks, the first is {without[0]}: "
            "PUT /v1/images/{id}/masks for each, or leave it out.",
            "image_ids",
        )
    groups = [image.slide or image.sample for image in images]
    held_out = split_groups(groups, params.validation_fraction, params.seed)
    loaded = [_labelled(resources.store, image, masks[image.id]) for image in images]
    return _Split(
        [one for one, group in zip(loaded, groups, strict=True) if group not in held_out],
        [one for one, group in zip(loaded, groups, strict=True) if group in held_out],
        tuple(sorted(held_out)),
    )


def _labelled(store: ObjectStore, image: Image, masks: AnnotatedMasks) -> LabelledImage:
    labels, overlaps = read_masks(store.get(masks.object_key), (image.height, image.width))
    return LabelledImage(load_stack(store, image).plane("dapi"), labels, overlaps)


def _trainer(
    context: JobContext, resources: Resources, params: SegmenterTrainingParams, split: _Split
) -> SegmenterTrainer:
    """Build the trainer from random or given weights, and continue a run that was cut."""
    config = TrainingConfig(
        epochs=params.epochs,
        crops_per_image=params.crops_per_image,
        crop_px=params.crop_px,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        diameter_px=params.diameter_px or _mean_diameter_px(split.train),
        seed=params.seed,
    )
    base = context.job.artifacts.get("segmenter")
    if base is None:
        net = new_network(config, NEW_NETWORK)
    else:
        with resources.session_factory() as session:
            artifacts = ArtifactService(session, resources.store)
            version = artifacts.resolve("segmenter", base)
        net = network.from_bytes(artifacts.open_file(version, "weights.safetensors"))
    trainer = SegmenterTrainer(net, split.train, config, device_of(resources.settings))
    try:
        trainer.resume(resources.store.get(_checkpoint_key(context)))
    except ObjectNotFoundError:
        return trainer  # the first attempt, or one that died within the first minute
    return trainer


def _train(context: JobContext, resources: Resources, trainer: SegmenterTrainer) -> None:
    planned = trainer.config.epochs
    saved = time.monotonic()

    def save() -> None:
        resources.store.put(_checkpoint_key(context), trainer.checkpoint())
        context.saved()

    with kept_when_handed_back(lambda: trainer.position, save):
        while trainer.epoch < planned:
            loss = trainer.run_epoch(check=context.check)
            context.progress(trainer.epoch, planned, "epochs", f"loss {loss:.4f}")
            due = time.monotonic() - saved >= resources.settings.checkpoint_every_s
            if due or trainer.epoch == planned:
                save()
                saved = time.monotonic()


def _evaluate(
    context: JobContext, weights: bytes, trainer: SegmenterTrainer, held_out: Sequence[LabelledImage]
) -> Evaluation | None:
    if not held_out:
        return None
    segmenter = CellposeSegmenter(weights, trainer.device)
    return evaluate(segmenter, held_out, check=context.check)


def _about(
    context: JobContext, trainer: SegmenterTrainer, split: _Split, evaluation: Evaluation | None
) -> dict[str, Any]:
    """Where the weights came from and how good they are, for the manifest."""
    return {
        "licence": None,
        "parameters": context.job.params,
        "parents": list(context.job.artifacts.values()),
        "metrics": None if evaluation is None else evaluation.to_json(),
        "held_out_slides": list(split.held_out_groups),
        "training": {
            "job_id": context.job.id,
            "images": len(split.train),
            "losses": trainer.losses,
            "device": str(trainer.device),
        },
    }


def _mean_diameter_px(images: Sequence[LabelledImage]) -> float:
    """Diameter of the disc whose area is the mean area of an instance."""
    # Counted by label: numbers that people give may be large.
    areas = np.concatenate([np.unique(one.masks[one.masks > 0], return_counts=True)[1] for one in images])
    if len(areas) == 0:
        raise InvalidInputError("The masks hold no instance at all.", "image_ids")
    return float(np.sqrt(4.0 * areas.mean() / np.pi))


def _checkpoint_key(context: JobContext) -> str:
    return checkpoint_key(context.job.id, "training.safetensors")
