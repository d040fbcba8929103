"""The networks of one training job: one per seed, each resumed where a killed worker left it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass

from models.classification import network
from models.classification.classifier import ClassifierSpec
from models.classification.records import EpochRecord
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases
from services.artifacts.service import ArtifactService
from services.jobs.context import JobContext
from services.jobs.params import ClassifierTrainingParams
from services.pipelines.classifier_recipe import recipe_of
from services.pipelines.device import device_of
from services.pipelines.handing_back import kept_when_handed_back
from services.pipelines.resources import Resources
from services.storage.base import ObjectNotFoundError
from services.storage.keys import checkpoint_key


@dataclass(frozen=True)
class TrainedNetwork:
    """One seed's outcome.

    Attributes
    ----------
    weights
        Safetensors, as they are stored and evaluated.
    best_epoch
        The epoch whose weights these are, counted from 1.
    """

    seed: int
    weights: bytes
    history: tuple[EpochRecord, ...]
    best_epoch: int


class NetworkTraining:
    """Trains a job's networks one after another, and keeps what is done in the object store."""

    def __init__(
        self,
        context: JobContext,
        resources: Resources,
        params: ClassifierTrainingParams,
        spec: ClassifierSpec,
    ) -> None:
        self._context = context
        self._resources = resources
        self._params = params
        self._spec = spec
        self._device = device_of(resources.settings)

    def train_all(self, train: LabelledCanvases, validation: LabelledCanvases) -> list[TrainedNetwork]:
        """Train a network per seed; those that an earlier attempt finished are read again."""
        networks = []
        for index in range(self._params.num_seeds):
            done = self._finished(index)
            if done is None:
                done = self._train(index, train, validation)
                self._keep(index, done)
            networks.append(done)
        return networks

    def forget(self) -> None:
        """Remove everything that was kept for a resume."""
        for index in range(self._params.num_seeds):
            for name in ("training.safetensors", "done.safetensors", "done.json"):
                self._resources.store.delete(self._key(index, name))

    def _train(self, index: int, train: LabelledCanvases, validation: LabelledCanvases) -> TrainedNetwork:
        config = recipe_of(self._params, self._params.seed + index).training
        trainer = ClassifierTrainer(
            self._initial(config), train, validation, spec=self._spec, config=config, device=self._device
        )
        with suppress(ObjectNotFoundError):  # the first attempt, or one that died before its checkpoint
            trainer.resume(self._resources.store.get(self._key(index, "training.safetensors")))
        self._run(index, trainer)
        weights = trainer.weights(half=self._params.half_precision)
        return TrainedNetwork(config.seed, weights, tuple(trainer.history), trainer.best_epoch)

    def _run(self, index: int, trainer: ClassifierTrainer) -> None:
        planned = trainer.config.epochs
        saved = time.monotonic()

        def save() -> None:
            self._resources.store.put(self._key(index, "training.safetensors"), trainer.checkpoint())
            self._context.saved()

        with kept_when_handed_back(lambda: trainer.position, save):
            while not trainer.finished:
                record = trainer.run_epoch(check=self._context.check)
                done = index * planned + trainer.epoch
                self._context.progress(
                    done, planned * self._params.num_seeds, "epochs", _told(index, trainer, record)
                )
                if time.monotonic() - saved >= self._resources.settings.checkpoint_every_s:
                    save()
                    saved = time.monotonic()

    def _initial(self, config: TrainingConfig) -> network.ResNet18:
        ref = self._context.job.artifacts.get("classifier")
        if ref is None:
            return network.build(seed=config.seed)
        with self._resources.session_factory() as session:
            artifacts = ArtifactService(session, self._resources.store)
            version = artifacts.resolve("classifier", ref)
        content = artifacts.open_file(version, "weights.safetensors")
        return network.with_new_head(network.from_bytes(content), config.seed)

    def _keep(self, index: int, trained: TrainedNetwork) -> None:
        """Weights first: the JSON says that both are there."""
        told = {
            "seed": trained.seed,
            "best_epoch": trained.best_epoch,
            "history": [vars(record) for record in trained.history],
        }
        store = self._resources.store
        store.put(self._key(index, "done.safetensors"), trained.weights)
        store.put(self._key(index, "done.json"), json.dumps(told).encode())
        store.delete(self._key(index, "training.safetensors"))

    def _finished(self, index: int) -> TrainedNetwork | None:
        store = self._resources.store
        try:
            told = json.loads(store.get(self._key(index, "done.json")))
        except ObjectNotFoundError:
            return None
        history = tuple(EpochRecord(**record) for record in told["history"])
        weights = store.get(self._key(index, "done.safetensors"))
        return TrainedNetwork(told["seed"], weights, history, told["best_epoch"])

    def _key(self, index: int, name: str) -> str:
        return checkpoint_key(self._context.job.id, f"network-{index:03d}-{name}")


def _told(index: int, trainer: ClassifierTrainer, record: EpochRecord) -> str:
    parts = [f"network {index + 1}, epoch {trainer.epoch}: loss {record.loss:.4f}"]
    if record.val_f1 is not None:
        parts.append(f"validation F1 {record.val_f1:.3f}")
    if record.val_average_precision is not None:
        parts.append(f"average precision {record.val_average_precision:.3f}")
    return ", ".join(parts)
