"""Training classifiers on a frozen data set: networks, calibration, evaluation, one artifact version.

Networks are trained epoch by epoch and resumed after a kill. Temperature, threshold and the network
that is kept are chosen on validation; only then, and once, is the test split looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from models.classification.calibration import Calibration, calibrate
from models.classification.classifier import Classifier, ClassifierSpec, Scores
from models.classification.evaluation import Evaluation, evaluate, summarise
from models.classification.preprocessing import Preprocessing
from models.classification.training_set import LabelledCanvases, normalisation_of, thinned
from services.artifacts.service import ArtifactService
from services.datasets.repository import DatasetRepository
from services.datasets.types import DatasetVersion
from services.errors import InvalidInputError
from services.jobs.context import JobContext
from services.jobs.params import ClassifierTrainingParams
from services.pipelines.classifier_manifest import Trained, classifier_files, classifier_manifest
from services.pipelines.classifier_networks import NetworkTraining, TrainedNetwork
from services.pipelines.classifier_recipe import recipe_of
from services.pipelines.device import device_of
from services.pipelines.resources import Resources
from services.pipelines.simulated import learnt_from_simulation
from services.pipelines.training_data import SplitData, load_splits

NUM_BOOTSTRAP = 1000
MIN_ABERRATIONS = 2


@dataclass(frozen=True)
class _Task:
    """What a job trains on."""

    params: ClassifierTrainingParams
    dataset: DatasetVersion
    splits: Mapping[str, SplitData]
    train: LabelledCanvases


@dataclass(frozen=True)
class _Judged:
    """One network held against every split."""

    network: TrainedNetwork
    spec: ClassifierSpec
    calibration: Calibration
    val_average_precision: float
    scores: Mapping[str, Scores]
    evaluations: Mapping[str, Evaluation]


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Train, choose, evaluate and add an artifact version.

    Raises
    ------
    InvalidInputError
        The data set cannot train a classifier: the message says what is missing.
    """
    params = ClassifierTrainingParams.model_validate(context.job.params)
    recipe = recipe_of(params, params.seed)
    task = _load(context, resources, params, recipe.preprocessing)
    mean, std = normalisation_of(task.train.canvases)
    spec = ClassifierSpec(
        recipe.preprocessing,
        (mean[0], mean[1], mean[2]),
        (std[0], std[1], std[2]),
        test_time_flips=recipe.test_time_flips,
    )
    training = NetworkTraining(context, resources, params, spec)
    context.when_overtaken(training.forget)
    networks = training.train_all(task.train, task.splits["val"].crops)
    looked_at = _looked_at(task.splits, params)
    epochs = params.num_seeds * recipe.training.epochs
    context.progress(epochs, epochs, "epochs", "evaluating on held-out slides")
    judged = [_judge(context, resources, net, spec, looked_at) for net in networks]
    result = _add_version(context, resources, task, judged)
    training.forget()
    return result


def _load(
    context: JobContext, resources: Resources, params: ClassifierTrainingParams, preprocessing: Preprocessing
) -> _Task:
    with resources.session_factory() as session:
        repository = DatasetRepository(session)
        dataset = repository.resolve(params.dataset)
        items = repository.items(dataset)

    def told(done: int, total: int) -> None:
        context.check()
        context.progress(0, 0, "epochs", f"reading crops: {done} of {total}")

    splits = load_splits(resources.store, items, preprocessing, params.leave_out_groups, told)
    return _Task(params, dataset, splits, _training_crops(splits["train"], params))


def _training_crops(split: SplitData, params: ClassifierTrainingParams) -> LabelledCanvases:
    aberrations = int(split.labels.sum())
    if aberrations < MIN_ABERRATIONS or aberrations == len(split):
        raise InvalidInputError(
            f"The training split has {aberrations} aberrations and {len(split) - aberrations} normals; at "
            f"least {MIN_ABERRATIONS} aberrations and one normal are needed. Annotate more crops, or choose "
            "other splits.",
            "dataset",
        )
    rows = thinned(split.labels, params.normal_ratio, params.seed)
    return LabelledCanvases(split.canvases[rows], split.labels[rows])


def _looked_at(splits: Mapping[str, SplitData], params: ClassifierTrainingParams) -> dict[str, SplitData]:
    """Splits to report on: held-out ones that have crops."""
    return {
        name: split
        for name, split in splits.items()
        if name != "train" and len(split) and (name != "test" or params.evaluate_test)
    }


def _judge(
    context: JobContext,
    resources: Resources,
    trained: TrainedNetwork,
    spec: ClassifierSpec,
    splits: Mapping[str, SplitData],
) -> _Judged:
    """Calibrate on validation, then hold the network against every split."""
    classifier = Classifier(trained.weights, spec, device_of(resources.settings))
    scores: dict[str, Scores] = {}
    for name, split in splits.items():
        context.check()
        scores[name] = classifier.score(split.canvases)
    no_logits, no_labels = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
    labels = splits["val"].labels if "val" in splits else no_labels
    calibration = calibrate(scores["val"].logits if "val" in scores else no_logits, labels)
    temperature, threshold = calibration.temperature.value, calibration.threshold.value
    precision = -1.0
    if labels.any():
        logits = scores["val"].logits
        precision = float(average_precision_score(labels, logits[:, 1] - logits[:, 0]))
    evaluations = {
        name: evaluate(
            scores[name].logits,
            split.labels,
            split.groups,
            split.chromosomes,
            temperature=temperature,
            threshold=threshold,
            seed=trained.seed,
            num_bootstrap=NUM_BOOTSTRAP,
        )
        for name, split in splits.items()
    }
    spec = replace(spec, temperature=temperature, threshold=threshold)
    return _Judged(trained, spec, calibration, precision, scores, evaluations)


def _add_version(
    context: JobContext,
    resources: Resources,
    task: _Task,
    judged: Sequence[_Judged],
) -> dict[str, Any]:
    best = max(range(len(judged)), key=lambda index: judged[index].val_average_precision)
    kept = judged[best]
    trained = Trained(
        spec=kept.spec,
        calibration=kept.calibration,
        kept=best,
        networks=tuple(one.network for one in judged),
        evaluations=kept.evaluations,
        summaries={name: summarise([one.evaluations[name] for one in judged]) for name in kept.evaluations},
        scores=kept.scores,
        splits=task.splits,
        train=task.train,
        device=str(device_of(resources.settings)),
    )
    manifest = classifier_manifest(context.job, task.params, task.dataset, trained)
    manifest |= learnt_from_simulation(context.job, task.dataset, resources)
    seeds = [
        {"seed": one.network.seed, "val_average_precision": _plain(one.val_average_precision)}
        | {name: evaluation.to_json(curves=False) for name, evaluation in one.evaluations.items()}
        for one in judged
    ]
    files = classifier_files(manifest, trained) | {"seeds.json": json.dumps(seeds, indent=1).encode()}
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            "classifier", task.params.name, manifest, files, job_id=context.job.id
        )
    return {
        "artifact": version.ref,
        "metrics": manifest["metrics"],
        "seeds": [one.network.seed for one in judged],
        "kept_seed": kept.network.seed,
        "links": {"artifact": f"/v1/artifacts/classifier/{version.ref}"},
    }


def _plain(value: float) -> float | None:
    return value if value >= 0 else None
