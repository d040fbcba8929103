"""The runs of a study: one network per arm and seed, trained, calibrated on validation, sealed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from models.classification import network
from models.classification.augmentation import PAPER, Augmentation
from models.classification.calibration import calibrate
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases, normalisation_of
from models.precision import training_precision
from models.study.arms import ARMS, REFERENCE, Arm
from models.study.mixing import chosen_rows
from models.study.plan import Step
from services.pipelines.classifier_recipe import PRESETS
from services.pipelines.study.work import Saver, StudyWork
from services.studies.cache import StepResult

if TYPE_CHECKING:
    from services.pipelines.study.filters import Selector

STEPS_PER_EPOCH: Final = 50
"""Optimiser steps after which a training may keep a checkpoint."""


def train_run(work: StudyWork, step: Step, selector: Selector) -> tuple[StepResult, StepResult]:
    """Train one network and score what it is held against.

    Returns
    -------
    open, sealed
        Validation logits, temperature and what was trained on; test and left-out logits.
    """
    arm = ARMS[step.spec["arm"]["name"]]
    crops, synthetic = _training_crops(work, step, arm, selector)
    spec = _spec(work, step)
    trainer = ClassifierTrainer(
        network.build(seed=step.spec["run_seed"]),
        crops,
        LabelledCanvases(crops.canvases[:0], crops.labels[:0]),
        spec=spec,
        config=_config(work, step, arm),
        device=work.device,
    )
    saver = Saver(work, step.key)
    if saver.partial is not None:
        trainer.resume(saver.partial.arrays["checkpoint"].tobytes())

    def kept() -> StepResult:
        return StepResult({"checkpoint": np.frombuffer(trainer.checkpoint(), np.uint8)})

    with saver.kept_when_handed_back(lambda: trainer.position, kept):
        while not trainer.finished:
            trainer.run_epoch(work.context.check)
            work.say(f"epoch {trainer.epoch} of {trainer.config.epochs}")
            saver.save(kept)
    result, sealed = _judged(work, step, trainer)
    told = {
        "seconds": saver.seconds,
        "normal": int((crops.labels == 0).sum()),
        "aberration": int(crops.labels.sum()) - sum(synthetic.values()),
        "synthetic": synthetic,
    }
    return StepResult(result.arrays, {**result.facts, **told}), sealed


def classifier_of(work: StudyWork, key: str, step: Step) -> Classifier:
    """Open a network that a run of this study kept, with its temperature."""
    run = work.result_of(key)
    spec = replace(_spec(work, step), temperature=run.facts["temperature"])
    return Classifier(run.arrays["weights"].tobytes(), spec, work.device)


def _judged(work: StudyWork, step: Step, trainer: ClassifierTrainer) -> tuple[StepResult, StepResult]:
    """Hold a trained network against validation, choose its temperature, and score what is sealed."""
    weights, data = trainer.weights(), work.data_of(step)
    classifier = Classifier(weights, trainer.spec, work.device)
    logits = classifier.score(data.val.canvases).logits
    sealed = StepResult(data.sealed.scored_by(classifier, work.context.check))
    facts = {
        "steps": trainer.config.epochs * (trainer.config.epoch_steps or 0),
        "loss": trainer.history[-1].loss,
        "temperature": calibrate(logits, data.val.labels).temperature.value,
        "precision": trainer.config.precision,
    }
    arrays: dict[str, NDArray[Any]] = {"val": logits}
    if _is_base(work, step):
        arrays["weights"] = np.frombuffer(weights, np.uint8)
    return StepResult(arrays, facts), sealed


def _is_base(work: StudyWork, step: Step) -> bool:
    """Whether filters may be fitted on this network's embeddings: then its weights are kept."""
    first = work.context.job.params["seed"]
    return bool(step.spec["arm"]["name"] == REFERENCE and step.spec["run_seed"] == first)


def _training_crops(
    work: StudyWork, step: Step, arm: Arm, selector: Selector
) -> tuple[LabelledCanvases, dict[str, int]]:
    """Real crops, then the synthetic ones of the arm as further aberrations."""
    real = work.data_of(step).train
    made = {
        name: work.result_of(step.needs[f"candidates-{name}"]).arrays["canvases"] for name in arm.synthetic
    }
    ratio = step.spec["synthetic_ratio"]
    rows = chosen_rows(
        arm,
        {name: len(canvases) for name, canvases in made.items()},
        {name: selector.kept(step, name) for name in arm.synthetic} if arm.filter_methods else {},
        limit=None if ratio is None else round(ratio * int(real.labels.sum())),
        seed=step.spec["run_seed"],
    )
    canvases = [real.canvases, *(made[name][rows[name]] for name in arm.synthetic)]
    added = sum(len(chosen) for chosen in rows.values())
    labels = np.concatenate([real.labels, np.ones(added, np.int64)])
    return LabelledCanvases(np.concatenate(canvases), labels), {n: len(r) for n, r in rows.items()}


def _config(work: StudyWork, step: Step, arm: Arm) -> TrainingConfig:
    steps, spec = step.spec["steps"], step.spec
    epochs = max(1, round(steps / STEPS_PER_EPOCH))
    varied = PAPER if spec["recipe"] == "paper" else PRESETS["default"].training.augmentation
    return TrainingConfig(
        epochs=epochs,
        epoch_steps=max(1, round(steps / epochs)),
        batch_size=spec["batch_size"],
        learning_rate=spec["learning_rate"],
        schedule=spec["schedule"],
        augmentation=varied if arm.augmented else Augmentation(),
        class_weights=arm.remedy == "weights",
        over_sampling=arm.remedy == "over_sampling",
        seed=spec["run_seed"],
        precision=training_precision(work.device),
    )


def _spec(work: StudyWork, step: Step) -> ClassifierSpec:
    """Return what belongs to every network of a condition: told from its real training crops alone."""
    mean, std = normalisation_of(work.data_of(step).train.canvases)
    return ClassifierSpec(work.preprocessing, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))
