"""Steps of a study that make synthetic crops: training a generator, and generating with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.cyclegan.generator import CycleganGenerator, CycleganSpec
from models.generation.sources import CanvasGenerator, Sources
from models.simulation.painter import Painter
from models.simulation.painting import Painting
from models.study.plan import Step
from services.artifacts.service import ArtifactService
from services.jobs.params import GeneratorTrainingParams
from services.pipelines.generator_methods import METHODS
from services.pipelines.generator_networks import check_finite
from services.pipelines.generator_recipe import Recipe, recipe_of
from services.pipelines.study.work import Saver, StudyWork
from services.studies.cache import StepResult

MEASURED_SCALE: Final = 1.6
"""Canvas pixels per image pixel at which the painter's lengths were measured."""
_STEPS_PER_LOOK: Final = 20
_CROPS_PER_LOOK: Final = 64


def train_generator(work: StudyWork, step: Step) -> StepResult:
    """Train a generator on a condition's aberrations, from where an earlier attempt stopped.

    Raises
    ------
    ItemError
        The training diverged.
    """
    aberrations = work.data_of(step).aberrations.canvases
    recipe = _recipe(work, step, len(aberrations))
    trainer = METHODS[recipe.method].trainer(recipe, aberrations, work.device, None)
    saver = Saver(work, step.key)
    if saver.partial is not None:
        trainer.resume(saver.partial.arrays["checkpoint"].tobytes())

    def kept() -> StepResult:
        return StepResult({"checkpoint": _bytes(trainer.checkpoint())})

    with saver.kept_when_handed_back(lambda: trainer.step, kept):
        while trainer.step < trainer.planned_steps:
            trainer.run(min(_STEPS_PER_LOOK, trainer.planned_steps - trainer.step), work.context.check)
            check_finite(trainer.history, trainer.step)
            work.say(f"{trainer.step:,} of {trainer.planned_steps:,} steps")
            saver.save(kept)
    weights = trainer.weights()
    facts = {
        "seconds": saver.seconds,
        "steps": trainer.planned_steps,
        "aberrations": len(aberrations),
        "settings": recipe.to_json(),
        "entries": METHODS[recipe.method].entries(recipe),
        "history": _thinned(trainer.history),
    }
    return StepResult({"weights": _bytes(weights)}, facts)


def make_candidates(work: StudyWork, step: Step) -> StepResult:
    """Generate synthetic crops of a condition's sources, batch by batch."""
    method = step.spec["method"]
    sources = work.data_of(step).sources(method, step.spec["candidates"])
    generator = _generator(work, step)
    saver = Saver(work, step.key)
    done = [] if saver.partial is None else [saver.partial.arrays["canvases"]]

    def kept() -> StepResult:
        return StepResult({"canvases": np.concatenate(done)})

    with saver.kept_when_handed_back(lambda: len(done), kept):
        for part in _parts(sources, start=sum(map(len, done))):
            work.context.check()
            done.append(generator.generate(part, work.context.check))
            work.say(f"{sum(map(len, done)):,} of {len(sources):,} crops")
            saver.save(kept)
    return StepResult(
        {"canvases": np.concatenate(done), "sources": sources.canvases, "masks": sources.masks},
        {"seconds": saver.seconds, "names": list(sources.crop_ids), "method": method},
    )


def _recipe(work: StudyWork, step: Step, aberrations: int) -> Recipe:
    settings, method = work.plan.settings, step.spec["method"]
    params = GeneratorTrainingParams(
        name="study",
        dataset="study/1",
        method=method,
        preset=step.spec["preset"],
        steps=step.spec["steps"],
        canvas_px=settings.canvas_px,
        scale=settings.scale,
        seed=work.context.job.params["seed"],
    )
    return recipe_of(params, aberrations)


def _generator(work: StudyWork, step: Step) -> CanvasGenerator:
    method = step.spec["method"]
    if method == "painted":
        return Painter(Painting().scaled(work.plan.settings.scale / MEASURED_SCALE))
    if "generator" in step.needs:
        made = work.result_of(step.needs["generator"])
        return _loaded(method, made.arrays["weights"].tobytes(), made.facts["entries"], work)
    with work.resources.session_factory() as session:
        artifacts = ArtifactService(session, work.resources.store)
        version = artifacts.resolve("generator", work.generators[step.condition.name][method])
        weights = artifacts.open_file(version, "weights.safetensors")
    return _loaded(method, weights, dict(version.manifest), work)


def _loaded(method: str, weights: bytes, manifest: dict[str, Any], work: StudyWork) -> CanvasGenerator:
    if method == "bbdm":
        return BridgeGenerator(weights, BridgeSpec.from_manifest(manifest), work.device)
    return CycleganGenerator(weights, CycleganSpec.from_manifest(manifest), work.device)


def _parts(sources: Sources, *, start: int) -> Iterator[Sources]:
    for first in range(start, len(sources), _CROPS_PER_LOOK):
        part = slice(first, first + _CROPS_PER_LOOK)
        yield Sources(
            sources.canvases[part],
            sources.masks[part],
            sources.crop_ids[part],
            sources.sample_numbers[part],
            sources.seed,
        )


def _bytes(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(content, np.uint8)


def _thinned(history: list[dict[str, float]], most: int = 200) -> list[dict[str, float]]:
    every = max(1, len(history) // most)
    return history[::every]
