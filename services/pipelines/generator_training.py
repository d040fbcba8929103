"""Training a generator on a frozen data set's aberrations: steps, pictures over time, one version.

The training is resumed exactly where a killed worker left it. Nothing of the test split is read; the
fixed examples and the loss that is told besides the training's own are of the validation split.
"""

from __future__ import annotations

from typing import Any

import torch

from models.cyclegan.errors import TrainingError
from services.artifacts.service import ArtifactService
from services.datasets.repository import DatasetRepository
from services.datasets.types import DatasetVersion
from services.errors import InvalidInputError
from services.jobs.context import JobContext
from services.jobs.params import GeneratorTrainingParams
from services.pipelines.device import device_of
from services.pipelines.errors import ItemError
from services.pipelines.generator_data import GeneratorData, load_data
from services.pipelines.generator_manifest import Made, generator_files, generator_manifest
from services.pipelines.generator_networks import GeneratorTraining
from services.pipelines.generator_recipe import Parent, parent_of, preprocessing_of, recipe_of
from services.pipelines.resources import Resources
from services.pipelines.simulated import learnt_from_simulation


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Train and add an artifact version.

    Raises
    ------
    InvalidInputError
        The data set cannot train a generator, the weights to start from are of another network, or
        memory does not suffice: the message says what to change.
    ItemError
        The training diverged.
    """
    params = GeneratorTrainingParams.model_validate(context.job.params)
    parent = _parent(context, resources, params)
    dataset, data = _load(context, resources, params, parent)
    recipe = recipe_of(params, len(data.aberrations), parent)
    device = device_of(resources.settings)
    training = GeneratorTraining(
        context, resources, recipe, data, device=device, initial=None if parent is None else parent.weights
    )
    context.when_overtaken(training.forget)
    try:
        trained = training.train(half_precision=params.half_precision)
    except TrainingError as error:
        raise ItemError.of(error) from error
    except torch.OutOfMemoryError as error:
        raise InvalidInputError(
            "Memory does not suffice for a single crop; choose a smaller size, width or canvas_px.", "size"
        ) from error
    made = Made(params, recipe, dataset, data, trained, str(device))
    result = _add_version(context, resources, made)
    training.forget()
    return result


def _parent(context: JobContext, resources: Resources, params: GeneratorTrainingParams) -> Parent | None:
    """Read the generator to start from, if the job names one."""
    ref = context.job.artifacts.get("generator")
    if ref is None:
        return None
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        version = artifacts.resolve("generator", ref)
    return parent_of(
        params, version.ref, version.manifest, lambda: artifacts.open_file(version, "weights.safetensors")
    )


def _load(
    context: JobContext, resources: Resources, params: GeneratorTrainingParams, parent: Parent | None
) -> tuple[DatasetVersion, GeneratorData]:
    with resources.session_factory() as session:
        repository = DatasetRepository(session)
        dataset = repository.resolve(params.dataset)
        items = repository.items(dataset)

    def told(done: int, total: int) -> None:
        context.check()
        context.progress(0, 0, "steps", f"reading crops: {done} of {total}")

    data = load_data(
        resources.store,
        items,
        preprocessing_of(params, parent),
        leave_out_groups=params.leave_out_groups,
        seed=params.seed,
        told=told,
    )
    return dataset, data


def _add_version(context: JobContext, resources: Resources, made: Made) -> dict[str, Any]:
    manifest = generator_manifest(context.job, made)
    manifest |= learnt_from_simulation(context.job, made.dataset, resources)
    files = generator_files(manifest, made)
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            "generator", made.params.name, manifest, files, job_id=context.job.id
        )
    return {
        "artifact": version.ref,
        "metrics": manifest["metrics"],
        "links": {"artifact": f"/v1/artifacts/generator/{version.ref}"},
    }
