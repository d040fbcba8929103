"""The model card of a generator, written from its manifest: what it is, and how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from models.bridge.network import OFFICIAL_GROUPS
from services.pipelines.card_text import cell, line, listed, quote, simulated_note, split_name

FEW_ABERRATIONS = 200
_WHAT: Final = MappingProxyType(
    {
        "bbdm": "A Brownian Bridge diffusion model (Li et al., CVPR 2023) that gives the DAPI picture of a "
        "chromosome the colours of one with a translocation. Every sample has its own noise: one source "
        "gives as many different pictures as are asked for.",
        "cyclegan": "The generator of a CycleGAN (Zhu et al., ICCV 2017) that gives the DAPI picture of a "
        "chromosome the colours of one with a translocation. It has no noise: one source gives one picture.",
    }
)
_EXPORT: Final = MappingProxyType({"bbdm": "models.bridge.official"})


def generator_card(manifest: Mapping[str, Any]) -> str:
    """Write the card in Markdown.

    Parameters
    ----------
    manifest
        A generator's manifest, trained here or imported. Read, where present: ``name``, ``method``,
        ``description``, ``preprocessing``, ``bridge``, ``sampling``, ``dataset`` (``name``, ``version``,
        ``sha256``, ``description``, ``licence``), ``held_out_groups`` by split, ``parameters``,
        ``recipe``, ``differs_from_paper`` (field to this one's and the paper's value), ``training``
        (``aberrations``, ``groups``, ``steps``, ``epochs``, ``device``, ``job_id``, ``examples_split``),
        ``metrics``, ``imported``, ``parents``, ``licence``, ``notice`` (of the data's owner),
        ``limits`` (further ones), ``weights_sha256``, ``libraries``.
    """
    sections = [
        _head(manifest),
        _input_output(manifest),
        _data(manifest),
        _training(manifest),
        _differences(manifest),
        _figures(manifest),
        _limits(manifest),
        _use(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(manifest: Mapping[str, Any]) -> str:
    facts = [f"Licence: {line(manifest.get('licence') or 'not stated')}."]
    if manifest.get("parents"):
        facts.append(f"Made from: {', '.join(line(parent) for parent in manifest['parents'])}.")
    if manifest.get("weights_sha256"):
        facts.append(f"SHA-256 of the weights: `{manifest['weights_sha256']}`.")
    imported: Mapping[str, Any] = manifest.get("imported") or {}
    origin = (
        f"The weights were uploaded as `{line(imported.get('filename'))}`; nothing of their training is "
        "known here."
        if imported
        else ""
    )
    parts = (
        f'# Generator "{line(manifest.get("name", "unnamed"))}"',
        simulated_note(manifest),
        _WHAT.get(str(manifest.get("method")), ""),
        origin,
        str(manifest.get("description") or "").strip(),
        " ".join(facts),
    )
    return "\n\n".join(part for part in parts if part)


def _input_output(manifest: Mapping[str, Any]) -> str:
    preprocessing: Mapping[str, Any] = manifest.get("preprocessing") or {}
    if not preprocessing:
        return ""
    side = preprocessing.get("canvas_px", "?")
    ground = (
        "what lies off its mask is black"
        if preprocessing.get("background", "zero") == "zero"
        else "what lies off its mask is kept"
    )
    parts = [
        "## Input and output",
        (
            f"In: the DAPI channel of one chromosome on a canvas of {side} x {side} px, "
            f"{_number(preprocessing.get('scale'))} canvas pixels to an image pixel, smaller where it would "
            f"not fit; {ground}. Out: red, green and DAPI, 8 bit, on the same canvas."
        ),
    ]
    bridge: Mapping[str, Any] = manifest.get("bridge") or {}
    if bridge:
        parts.append(
            f"The bridge has {line(bridge.get('num_train_timesteps'))} times and the variance scale "
            f"{line(bridge.get('max_variance'))}; the network predicts "
            f"`{line(bridge.get('prediction_type'))}`."
        )
    sampling: Mapping[str, Any] = manifest.get("sampling") or {}
    if sampling:
        how = (
            f"order {line(sampling.get('order'))}"
            if sampling.get("sampler") == "dbim"
            else f"eta {line(sampling.get('eta'))}"
        )
        parts.append(
            f"Unless a job says otherwise it is sampled by `{line(sampling.get('sampler'))}` in "
            f"{line(sampling.get('steps'))} network calls with {how}."
        )
    return "\n\n".join(parts)


def _data(manifest: Mapping[str, Any]) -> str:
    dataset: Mapping[str, Any] = manifest.get("dataset") or {}
    if not dataset:
        return ""
    sha256 = f", content SHA-256 `{dataset['sha256']}`" if dataset.get("sha256") else ""
    licence = f" Its licence: {line(dataset['licence'])}." if dataset.get("licence") else ""
    parts = [
        "## Data",
        (
            f"Data set `{line(dataset.get('name'))}/{line(dataset.get('version'))}`{sha256}. Groups "
            f"(slides or subjects) lie in one split each.{licence}"
        ),
    ]
    training: Mapping[str, Any] = manifest.get("training") or {}
    if "aberrations" in training:
        parts.append(
            f"Learnt from {training['aberrations']} crops of aberrations"
            + (
                "; before that, from what the generator that it was made from had seen."
                if manifest.get("parents")
                else ", and from nothing else: no normal crop was seen."
            )
        )
    groups = {"train": training.get("groups") or (), **(manifest.get("held_out_groups") or {})}
    parts.append(
        "\n".join(f"- {split_name(split)}: {listed(names)}" for split, names in groups.items() if names)
    )
    if dataset.get("description"):
        parts.append("What its makers say of it:\n\n" + quote(str(dataset["description"])))
    if manifest.get("notice"):
        parts.append("The weights derive from these data; their notice:\n\n" + quote(str(manifest["notice"])))
    return "\n\n".join(part for part in parts if part)


def _training(manifest: Mapping[str, Any]) -> str:
    training: Mapping[str, Any] = manifest.get("training") or {}
    parameters: Mapping[str, Any] = manifest.get("parameters") or {}
    given = {key: value for key, value in parameters.items() if value not in (None, "", [])}
    told = [
        f"{label}: {line(training[key])}"
        for key, label in (
            *(("steps", "steps"), ("epochs", "passes over the aberrations")),
            *(("device", "device"), ("job_id", "job")),
        )
        if training.get(key) is not None
    ]
    parts = ["Run: " + ", ".join(told) + "."] if told else []
    for title, values in (("Parameters of the job", given), ("What they came to", manifest.get("recipe"))):
        if values:
            parts.append(f"{title}:\n\n```json\n{json.dumps(values, indent=2, sort_keys=True)}\n```")
    libraries: Mapping[str, Any] = manifest.get("libraries") or {}
    if libraries:
        parts.append("Libraries: " + ", ".join(f"{key} {value}" for key, value in libraries.items()) + ".")
    return "\n\n".join(["## Training", *parts]) if parts else ""


def _differences(manifest: Mapping[str, Any]) -> str:
    """Write what stands in the paper and was done otherwise; nothing for an imported one."""
    if "differs_from_paper" not in manifest:
        return ""
    differences: Mapping[str, Sequence[Any]] = manifest["differs_from_paper"]
    if not differences:
        told = "Nothing that the paper (Tallon et al., ICMV 2024, appendix A) states was changed."
    else:
        rows = [
            f"| {cell(name)} | {cell(own)} | {cell(paper)} |" for name, (own, paper) in differences.items()
        ]
        told = "\n".join(["| | here | paper |", "| --- | --- | --- |", *rows])
    return f"## Other than in the paper\n\n{told}"


def _figures(manifest: Mapping[str, Any]) -> str:
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    lines = [
        f"- {label}: {_number(metrics[key])}"
        for key, label in (
            ("training_loss", "training loss at the end"),
            ("validation_loss", "loss on validation aberrations, at fixed times and noise"),
        )
        if metrics.get(key) is not None
    ]
    if metrics.get("validation_aberrations"):
        lines.append(f"- validation aberrations: {metrics['validation_aberrations']}")
    if metrics.get("collapse"):
        lines.append(f"- {line(metrics['collapse'])}")
    if not lines:
        return ""
    pictures = (
        "`training.png` has the curves, `samples.png` what the fixed sources became as it learnt. A low loss "
        "is no proof of good pictures: the quality report of a generation job compares those with real ones."
    )
    return "\n\n".join(["## Figures", "\n".join(lines), pictures])


def _limits(manifest: Mapping[str, Any]) -> str:
    training: Mapping[str, Any] = manifest.get("training") or {}
    count = training.get("aberrations")
    points = [
        (
            "What it makes is synthetic: training material, never evidence for a sample. The service keeps "
            "it apart (`origin` is `generated`)."
        ),
    ]
    if count is not None and count < FEW_ABERRATIONS:
        points.append(
            f"It has seen {count} aberrations, and may repeat them: look at the near-copies in the quality "
            "report."
        )
    if training.get("examples_split") == "train":
        points.append(
            "Validation had no aberration: the sources of `samples.png` are training crops, whose colours it "
            "may have learnt by heart."
        )
    if manifest.get("imported"):
        points.append(
            "Canvas and scale are what the uploader said, and nothing here can check them: a wrong scale "
            "gives chromosomes of a size that it has never seen."
        )
    elif manifest.get("dataset"):
        here = " in this training" if manifest.get("parents") else ""
        points.append(f"The test split played no part{here}, and was not looked at.")
    points.append(
        "DAPI of another stain, microscope or preparation may look unlike anything it has seen: look at the "
        "pictures before you train on them."
    )
    points += [str(point).strip() for point in manifest.get("limits") or ()]
    points.append("Not a medical device. A cytogeneticist decides.")
    return "## Limits\n\n" + "\n".join(f"- {line(point)}" for point in points)


def _use(manifest: Mapping[str, Any]) -> str:
    name = line(manifest.get("name", "unnamed"))
    body = {"kind": "generation", "dataset": "mine/1", "generator": f"{name}/1"}
    parts = [
        "## How to use it",
        "`POST /v1/jobs` with the version or alias that you want:",
        f"```json\n{json.dumps(body)}\n```",
    ]
    module = _EXPORT.get(str(manifest.get("method")))
    network: Mapping[str, Any] = manifest.get("network") or {}
    # The official code has one number of groups, and no option for another.
    if module and network.get("norm_groups", OFFICIAL_GROUPS) == OFFICIAL_GROUPS:
        parts += [
            "For the official code, which reads a PyTorch checkpoint of the same names:",
            f"```\npython -m {module} weights.safetensors checkpoint.pth\n```",
        ]
    return "\n\n".join(parts)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
