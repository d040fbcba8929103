"""Generators that were trained elsewhere, with the official code or several GPUs: weights and manifest.

A file holds a network, but not the canvas and the scale that its training pictures had; the uploader
says these. Whoever does not gets the defaults, may try the generator, and cannot promote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import models.bridge.official as bridge_official
import models.cyclegan.network as cyclegan_network
import models.cyclegan.official as cyclegan_official
from models.bridge.generator import BridgeSpec
from models.classification.preprocessing import Preprocessing
from models.state_files import WeightsError, sha256_of
from services.errors import InvalidInputError
from services.jobs.params.artifact_import import ArtifactImportParams
from services.pipelines.generator_manifest import recorded_libraries

Read = tuple[dict[str, Any], bytes]
GENERATOR_FIELDS: Final = ("method", "canvas_px", "scale", "background", "prediction_type")
_DEFAULT = Preprocessing()


def imported_generator(
    params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Read uploaded weights, and describe them.

    Parameters
    ----------
    content
        Safetensors or a checkpoint of the official code.
    about
        Entries of the manifest that every import has; ``imported`` is added to.

    Returns
    -------
    manifest, weights
        The weights as safetensors.

    Raises
    ------
    WeightsError
        The bytes are no generator, or none of the method that the uploader names.
    InvalidInputError
        A CycleGAN was given a prediction type.
    """
    method, (entries, weights) = _read(params, content)
    if method != "bbdm" and params.prediction_type is not None:
        raise InvalidInputError(
            f"A {method} predicts pictures: leave prediction_type out.", "prediction_type"
        )
    stated = params.canvas_px is not None and params.scale is not None
    preprocessing = Preprocessing(
        params.canvas_px or _DEFAULT.canvas_px,
        params.scale or _DEFAULT.scale,
        params.background or _DEFAULT.background,
    )
    manifest = {
        "kind": "generator",
        "name": params.name,
        "method": method,
        "trained": True,
        "preprocessing": preprocessing.to_json(),
        **entries,
        "weights_sha256": sha256_of(weights),
        "libraries": recorded_libraries(),
        **about,
        "imported": {**about["imported"], "preprocessing_stated": stated},
    }
    return manifest, weights


def _read(params: ArtifactImportParams, content: bytes) -> tuple[str, Read]:
    """Read the weights as the method that is named, or as the first that they fit."""
    if params.method is not None:
        return params.method, READERS[params.method](params, content)
    refusals = []
    for method, read in READERS.items():
        try:
            return method, read(params, content)
        except WeightsError as error:
            refusals.append(f"As {method}: {error}")
    raise WeightsError(f"It is no generator that is known here. {' '.join(refusals)}")


def _bridge(params: ArtifactImportParams, content: bytes) -> Read:
    """Read the moving averages of an official checkpoint, or weights that were trained here.

    Sampling is the paper's, and the official code's, until a job says otherwise.
    """
    net, bridge = bridge_official.from_bytes(content)
    spec = BridgeSpec(
        network=net.config,
        prediction_type=params.prediction_type or bridge.prediction_type,
        max_variance=bridge.max_variance,
        num_train_timesteps=bridge.num_train_timesteps,
    )
    entries = {name: spec.to_json()[name] for name in ("network", "bridge", "sampling")}
    return entries, bridge_official.to_safetensors(net.state_dict(), bridge, net.config)


def _cyclegan(_params: ArtifactImportParams, content: bytes) -> Read:
    net, config = cyclegan_official.from_bytes(content)
    return {"network": config.to_json()}, cyclegan_network.to_safetensors(net)


READERS: Final[Mapping[str, Callable[[ArtifactImportParams, bytes], Read]]] = MappingProxyType(
    {"bbdm": _bridge, "cyclegan": _cyclegan}
)
