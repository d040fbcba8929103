"""Drives a generator's training: step by step, resumed where a killed worker left it.

Whatever the method, a trainer shows the same face (`models.generation.trainer`). At a few moments the
fixed examples are generated with the weights of that moment; these pictures are kept beside the
checkpoint, so that a resumed training shows them all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from services.jobs.context import JobContext
from services.pipelines.errors import ItemError
from services.pipelines.generator_data import GeneratorData
from services.pipelines.generator_methods import METHODS, validation_loss_of
from services.pipelines.generator_recipe import Recipe
from services.pipelines.handing_back import kept_when_handed_back
from services.pipelines.resources import Resources
from services.storage.base import ObjectNotFoundError
from services.storage.keys import checkpoint_key

MOMENTS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the training after which examples are generated
CHECKPOINT: Final = "training.safetensors"
_SECONDS_PER_REPORT = 1.0
_MAX_STEPS_PER_REPORT = 200
_TOLD_LOSSES: Final = ("loss", "loss_generator", "loss_discriminator_b")
_MINUTE_S, _HOUR_S = 60, 3600


@dataclass(frozen=True)
class Moment:
    """What a generator could do after some of its training.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
        Made of the examples.
    validation_loss
        None where the method has none, or validation no aberration.
    """

    step: int
    canvases: NDArray[np.uint8]
    validation_loss: float | None

    def to_bytes(self) -> bytes:
        """Return safetensors."""
        loss = np.nan if self.validation_loss is None else self.validation_loss
        numbers = {"step": np.array(self.step), "validation_loss": np.array(loss, np.float64)}
        return safetensors.numpy.save({"canvases": np.ascontiguousarray(self.canvases), **numbers})

    @classmethod
    def from_bytes(cls, content: bytes) -> Moment:
        """Read what `to_bytes` wrote."""
        stored = safetensors.numpy.load(content)
        loss = float(stored["validation_loss"])
        return cls(int(stored["step"]), stored["canvases"], None if np.isnan(loss) else loss)


@dataclass(frozen=True)
class TrainedGenerator:
    """What a training came to.

    Attributes
    ----------
    weights
        Safetensors, as they are stored.
    history
        The trainer's records.
    moments
        In the order of their steps; the last one is of the whole training.
    """

    weights: bytes
    history: tuple[dict[str, float], ...]
    moments: tuple[Moment, ...]


class GeneratorTraining:
    """Trains a job's generator, and keeps what a resume needs in the object store.

    Parameters
    ----------
    initial
        Weights to start from, or None.
    """

    def __init__(
        self,
        context: JobContext,
        resources: Resources,
        recipe: Recipe,
        data: GeneratorData,
        *,
        device: torch.device,
        initial: bytes | None = None,
    ) -> None:
        self._context = context
        self._resources = resources
        self._recipe = recipe
        self._data = data
        self._method = METHODS[recipe.method]
        self._trainer = self._method.trainer(recipe, data.aberrations, device, initial)
        self._moments = moments_of(recipe.steps)

    def train(self, *, half_precision: bool = False) -> TrainedGenerator:
        """Train to the end, from the last checkpoint if there is one.

        Raises
        ------
        ItemError
            The losses are not finite any more.
        """
        with suppress(ObjectNotFoundError):  # the first attempt, or one that died before its checkpoint
            self._trainer.resume(self._resources.store.get(self._key(CHECKPOINT)))
        with kept_when_handed_back(lambda: self._trainer.step, self._save):
            self._run()
        weights = self._trainer.weights()
        return TrainedGenerator(
            self._method.halved(weights) if half_precision else weights,
            tuple(self._trainer.history),
            tuple(self._moment(step) for step in self._moments),
        )

    def forget(self) -> None:
        """Remove everything that was kept for a resume."""
        for name in (CHECKPOINT, *(_moment_name(step) for step in self._moments)):
            self._resources.store.delete(self._key(name))

    def _run(self) -> None:
        trainer, planned = self._trainer, self._trainer.planned_steps
        first, started = trainer.step, time.monotonic()
        saved, steps = started, 1
        if trainer.step in self._moments:
            self._keep_moment(trainer.step)  # the attempt before was handed back in the middle of it
        while trainer.step < planned:
            goal = min(step for step in self._moments if step > trainer.step)
            trainer.run(min(steps, goal - trainer.step), self._context.check)
            check_finite(trainer.history, trainer.step)
            pace = (time.monotonic() - started) / (trainer.step - first)
            steps = max(1, min(int(_SECONDS_PER_REPORT / pace), _MAX_STEPS_PER_REPORT))
            self._context.progress(
                trainer.step, planned, "steps", told(trainer.history, (planned - trainer.step) * pace)
            )
            if trainer.step == goal:
                self._keep_moment(goal)
            if time.monotonic() - saved >= self._resources.settings.checkpoint_every_s or goal == planned:
                self._save()
                saved = time.monotonic()

    def _save(self) -> None:
        self._resources.store.put(self._key(CHECKPOINT), self._trainer.checkpoint())
        self._context.saved()

    def _keep_moment(self, step: int) -> None:
        """Store it, unless an earlier attempt did."""
        if self._resources.store.exists(self._key(_moment_name(step))):
            return
        moment = Moment(
            step,
            self._trainer.sample(self._data.examples.sources, self._context.check),
            validation_loss_of(self._trainer, self._data.validation),
        )
        self._resources.store.put(self._key(_moment_name(step)), moment.to_bytes())

    def _moment(self, step: int) -> Moment:
        return Moment.from_bytes(self._resources.store.get(self._key(_moment_name(step))))

    def _key(self, name: str) -> str:
        return checkpoint_key(self._context.job.id, name)


def moments_of(planned_steps: int) -> tuple[int, ...]:
    """Steps after which the examples are generated: few in a short training, always the last."""
    return tuple(sorted({max(1, round(share * planned_steps)) for share in MOMENTS}))


def check_finite(history: Sequence[Mapping[str, float]], step: int) -> None:
    """Stop a training that nothing can save any more.

    Raises
    ------
    ItemError
        A number of the last record is not finite.
    """
    if history and not all(np.isfinite(value) for value in history[-1].values()):
        raise ItemError(
            "training_failed",
            "Training failed",
            f"The loss is not finite at step {step}: the training diverged. Use a lower learning_rate.",
        )


def told(history: Sequence[Mapping[str, float]], left_s: float) -> str:
    """Write the losses of the last record, and how long it will take from here."""
    last = history[-1] if history else {}
    losses = [f"{name.replace('_', ' ')} {last[name]:.4f}" for name in _TOLD_LOSSES if name in last]
    return ", ".join([*losses, f"{spelt(left_s)} left"])


def _moment_name(step: int) -> str:
    return f"samples-{step:08d}.safetensors"


def spelt(seconds: float) -> str:
    """Write a duration as people say it."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
