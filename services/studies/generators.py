"""Trained generators that a study is told to use: which versions these are, and whether they may be used.

A generator that has learnt from the slides on which a condition is judged would carry them into training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from models.classification.preprocessing import Preprocessing
from models.study.conditions import Condition
from models.study.sizes import Settings
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactVersion
from services.datasets.types import DatasetItem
from services.errors import InvalidInputError
from services.generation.methods import method_of
from services.jobs.params import StudyParams
from services.studies.facts import split_of

FIELD: Final = "generators"
_CANVAS: Final = ("canvas_px", "scale", "background")
_NAMED: Final = 3  # groups in a message
_ADVICE: Final = "Name another one, or leave it out: then the study trains one of its own."

Versions = Mapping[str, Mapping[str, ArtifactVersion]]


def resolve_generators(artifacts: ArtifactService, params: StudyParams) -> Versions:
    """Find the version that each reference means now, by condition and method; raises `NotFoundError`."""
    return {
        condition: {method: artifacts.resolve("generator", ref) for method, ref in refs.items()}
        for condition, refs in params.generators.items()
    }


def refs_of(versions: Versions) -> dict[str, dict[str, str]]:
    """Return exact references, by condition and method, as a job keeps them."""
    return {name: {method: one.ref for method, one in mine.items()} for name, mine in versions.items()}


def digests_of(versions: Versions) -> dict[str, dict[str, str]]:
    """Return the sha256 of manifest and files, by condition and method: what a step's key depends on."""
    return {name: {method: one.sha256 for method, one in mine.items()} for name, mine in versions.items()}


def check_generators(
    versions: Versions,
    conditions: Sequence[Condition],
    items: Sequence[DatasetItem],
    settings: Settings,
) -> None:
    """Refuse generators that do not fit, or know too much.

    Raises
    ------
    InvalidInputError
        The method is another one, it was never trained, its pictures have another size, or it has learnt
        from a group or from more aberrations than its condition may know, or nobody knows from which.
    """
    for condition in conditions:
        for method, version in versions.get(condition.name, {}).items():
            _check_method(version, method)
            _check_canvas(version, settings)
            _check_knowledge(version, condition, items)


def _check_method(version: ArtifactVersion, method: str) -> None:
    own = method_of(version)
    if own != method:
        raise InvalidInputError(f"Generator {version.ref} is of method {own}, not {method}.", FIELD)
    if version.manifest.get("trained") is not True:
        raise InvalidInputError(
            f"Generator {version.ref} is a starting point for training and cannot generate. {_ADVICE}", FIELD
        )


def _check_canvas(version: ArtifactVersion, settings: Settings) -> None:
    wanted = Preprocessing(settings.canvas_px, settings.scale)
    told = version.manifest.get("preprocessing") or {}
    if any(told.get(name) != getattr(wanted, name) for name in _CANVAS):
        raise InvalidInputError(
            f"Generator {version.ref} makes crops on another canvas ({_words(told)}) than the study works "
            f"with ({_words(asdict(wanted))}). Set canvas_px and scale to the generator's. {_ADVICE}",
            FIELD,
        )


def _check_knowledge(version: ArtifactVersion, condition: Condition, items: Sequence[DatasetItem]) -> None:
    """Whatever is not known to be training material of the condition counts as held out."""
    training = version.manifest.get("training") or {}
    learnt = training.get("groups") or []
    known = {item.group for item in items if split_of(item, condition) == "train"}
    foreign = sorted(set(learnt) - known)
    if foreign or not learnt:
        whom = ", ".join(foreign[:_NAMED]) or "slides that its manifest does not name"
        raise InvalidInputError(
            f"Generator {version.ref} has learnt from {whom}, and the condition {condition.name!r} must not "
            f"know any but its own training groups. {_ADVICE}",
            FIELD,
        )
    most, aberrations = condition.max_aberrations, training.get("aberrations")
    if most is not None and (aberrations is None or aberrations > most):
        raise InvalidInputError(
            f"Generator {version.ref} has learnt from more aberrations than the {most} of the condition "
            f"{condition.name!r}. {_ADVICE}",
            FIELD,
        )


def _words(preprocessing: Mapping[str, Any]) -> str:
    told = [f"{name} {preprocessing[name]}" for name in _CANVAS if name in preprocessing]
    return ", ".join(told) or "nobody said which"
