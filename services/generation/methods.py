"""What can be asked of which kind of generator, told when a job is submitted. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from models.simulation.painting import Painting, PaintingError
from services.artifacts.types import ArtifactVersion
from services.errors import InvalidInputError
from services.jobs.params import GenerationParams

OWN_PARAMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"bbdm": ("steps", "sampler", "eta", "order"), "cyclegan": (), "painted": ("painting",)}
)
"""Methods, each with the parameters that mean something to it alone."""

_USUAL_SAMPLING: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "bbdm": {"steps": 200, "eta": 1.0, "order": 2},
        "dbim": {"steps": 15, "eta": 1.0, "order": 3},
    }
)
_WITHOUT_NOISE: Final = ("cyclegan",)
_WITHOUT_TRAINING: Final = ("painted",)


def method_of(version: ArtifactVersion) -> str:
    """Return the method of a generator; raises `InvalidInputError` for one that is not known here."""
    method = str(version.manifest.get("method"))
    if method not in OWN_PARAMS:
        raise InvalidInputError(
            f"Generator {version.ref} is of method {method!r}; this version knows {', '.join(OWN_PARAMS)}.",
            "generator",
        )
    return method


def canvas_px_of(version: ArtifactVersion) -> int:
    """Side of a generator's pictures, in pixels."""
    return int(version.manifest["preprocessing"]["canvas_px"])


def check_params(version: ArtifactVersion, params: GenerationParams) -> None:
    """Refuse what a generator cannot do: nothing that is asked for is ignored in silence.

    Raises
    ------
    InvalidInputError
        The generator was never trained, has no such parameter, or would make the same picture again and
        again.
    """
    method = method_of(version)
    if method not in _WITHOUT_TRAINING and version.manifest.get("trained") is not True:
        raise InvalidInputError(
            f"Generator {version.ref} is a starting point for training and cannot generate; train one from "
            "it with a generator_training job.",
            "generator",
        )
    _check_own(version, method, params)
    if method in _WITHOUT_NOISE and params.samples_per_source > 1:
        raise InvalidInputError(
            f"A {method} generator adds no noise: every sample of a crop would be the same picture. Leave "
            "samples_per_source at 1 and take more sources.",
            "samples_per_source",
        )


def sampling_of(version: ArtifactVersion, params: GenerationParams) -> dict[str, Any]:
    """Return how a Brownian Bridge samples in a job: as its manifest says, but for what the job gives.

    What a manifest says is of its own sampler; with the other one its steps would be far too many or
    too few.
    """
    own: Mapping[str, Any] = version.manifest["sampling"]
    sampler = params.sampler or own["sampler"]
    base = own if sampler == own["sampler"] else _USUAL_SAMPLING[sampler]
    given = {name: getattr(params, name) for name in ("steps", "eta", "order")}
    return {**base, "sampler": sampler} | {name: value for name, value in given.items() if value is not None}


def _check_sampling(version: ArtifactVersion, params: GenerationParams) -> None:
    sampling = sampling_of(version, params)
    sampler, longest = sampling["sampler"], version.manifest["bridge"]["num_train_timesteps"]
    if sampling["steps"] > longest:
        raise InvalidInputError(f"The bridge of {version.ref} has {longest} steps and no more.", "steps")
    if params.order is not None and sampler != "dbim":
        raise InvalidInputError("Only the dbim sampler has an order; give sampler dbim too.", "order")
    if params.eta is not None and sampler != "bbdm":
        raise InvalidInputError(
            "Only the bbdm sampler has an eta: dbim draws noise at its first step alone.", "eta"
        )


def _check_own(version: ArtifactVersion, method: str, params: GenerationParams) -> None:
    for other, names in OWN_PARAMS.items():
        for name in names:
            if other != method and getattr(params, name) is not None:
                own = ", ".join(OWN_PARAMS[method]) or "none"
                raise InvalidInputError(
                    f"{name} means nothing to {version.ref}, a {method} generator: only {other} generators "
                    f"have it. Parameters of {method} of its own: {own}.",
                    name,
                )
    if params.painting is not None:
        _check_painting(version.manifest["parameters"] | params.painting)
    if method == "bbdm":
        _check_sampling(version, params)


def _check_painting(parameters: Mapping[str, Any]) -> None:
    try:
        Painting.from_json(parameters)
    except PaintingError as error:
        raise InvalidInputError(str(error), "painting") from error
