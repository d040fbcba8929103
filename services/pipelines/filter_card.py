"""The card of a filter, written from its manifest: what it keeps, why, and how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from services.pipelines.card_text import line, listed, quote, simulated_note, split_name, uploaded_as
from services.pipelines.filter_card_figures import count_text, kept_section, number_text, numbers_text

FEW_ABERRATIONS: Final = 100
_MAP = (
    "Every embedding gets a place on a two-dimensional UMAP of the training embeddings. A crop's place "
    "depends on that crop alone, not on what is filtered with it."
)
_WHAT: Final = MappingProxyType(
    {
        "umap": "A Gaussian mixture describes where the training aberrations lie on the map. A crop is kept "
        "if it lies inside the ellipse of the mixture's dominant component (Tallon et al., ICMV 2024). The "
        "level is the share of the component's mass that the ellipse holds.",
        "mahalanobis": "A crop is kept if its embedding lies near enough to the mean of the training "
        "aberrations, measured with their covariance, shrunk after Ledoit and Wolf. The level is the share "
        "of the training aberrations that would be kept if they were new. The map is for looking only.",
        "knn": "A crop is kept if its embedding lies near enough to its nearest training aberrations. The "
        "level is the share of the training aberrations that would be kept if they were new. The map is for "
        "looking only.",
        "probability": "A crop is kept if the classifier alone finds it probable enough that it is an "
        "aberration: at least 1 less the level. The map is for looking only.",
        "none": "Every crop is kept: this is what the other methods are compared with. The map is for "
        "looking only.",
    }
)
_CONSTRUCTIONS: Final = MappingProxyType(
    {
        "leave_one_out": "each projected like a new crop, without itself among its neighbours",
        "k_fold": "each projected on a map of the other folds, like a new crop",
        "fitted": "where UMAP itself laid them out, as in the paper. New crops are projected, and lie "
        "elsewhere: compare both lines in the table of what it keeps",
    }
)


def filter_card(manifest: Mapping[str, Any]) -> str:
    """Write the card in Markdown.

    Parameters
    ----------
    manifest
        A filter's manifest, fitted here or imported, see `services.pipelines.filter_manifest`. Read too,
        where present: ``imported``, ``notice`` (of the data's owner), ``limits`` (further ones).
    """
    sections = [
        _head(manifest),
        _input_output(manifest),
        _data(manifest),
        _fit(manifest),
        kept_section(manifest),
        _limits(manifest),
        _use(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(manifest: Mapping[str, Any]) -> str:
    spec: Mapping[str, Any] = manifest.get("filter") or {}
    facts = [f"Licence: {line(manifest.get('licence') or 'not stated')}."]
    if manifest.get("weights_sha256"):
        facts.append(f"SHA-256 of `filter.safetensors`: `{line(manifest['weights_sha256'])}`.")
    checked = "What is said of its fit is what came with the file; its scores were checked here."
    parts = (
        f'# Filter "{line(manifest.get("name", "unnamed"))}"',
        simulated_note(manifest),
        _WHAT.get(str(spec.get("method")), ""),
        uploaded_as(manifest, checked),
        str(manifest.get("description") or "").strip(),
        " ".join(facts),
    )
    return "\n\n".join(part for part in parts if part)


def _input_output(manifest: Mapping[str, Any]) -> str:
    classifier: Mapping[str, Any] = manifest.get("classifier") or {}
    if not classifier:
        return ""
    return "\n\n".join(
        (
            "## Input and output",
            (
                f"In: embeddings of classifier `{line(classifier.get('ref'))}`, whose weights have the "
                f"SHA-256 `{line(classifier.get('weights_sha256'))}`. Embeddings of any other classifier "
                "mean nothing to it, and are refused."
            ),
            (
                f"Out: {_MAP} With it come the least level at which the crop is kept, and the distance to "
                "the nearest training embeddings with its percentile among the training crops' own."
            ),
        )
    )


def _data(manifest: Mapping[str, Any]) -> str:
    dataset: Mapping[str, Any] = manifest.get("dataset") or {}
    fit: Mapping[str, Any] = manifest.get("fit") or {}
    if not dataset:
        return ""
    sha256 = f", content SHA-256 `{line(dataset['sha256'])}`" if dataset.get("sha256") else ""
    licence = f" Its licence: {line(dataset['licence'])}." if dataset.get("licence") else ""
    groups = {"train": fit.get("groups") or (), **(manifest.get("held_out_groups") or {})}
    parts = [
        "## Data",
        (
            f"Data set `{line(dataset.get('name'))}/{line(dataset.get('version'))}`{sha256}. Groups "
            f"(slides or subjects) lie in one split each.{licence}"
        ),
        (
            f"Fitted on {count_text(fit.get('aberrations'))} aberrations and "
            f"{count_text(fit.get('normals'))} normal crops of the training split, all of them real."
        ),
        "\n".join(f"- {split_name(split)}: {listed(names)}" for split, names in groups.items() if names),
        _saw(fit),
    ]
    if dataset.get("description"):
        parts.append("What its makers say of it:\n\n" + quote(str(dataset["description"])))
    if manifest.get("notice"):
        parts.append("The filter derives from these data; their notice:\n\n" + quote(str(manifest["notice"])))
    return "\n\n".join(part for part in parts if part)


def _saw(fit: Mapping[str, Any]) -> str:
    """Say which of these crops the classifier had learnt from."""
    saw: Mapping[str, Sequence[str]] = fit.get("classifier_saw") or {}
    if not any(saw.values()):
        return ""
    told = "; ".join(f"{split_name(split)}: {listed(names)}" for split, names in saw.items() if names)
    return (
        f"The classifier had learnt from crops of these groups ({told}). It tells crops that it knows apart "
        "better than new ones, so these lie more clearly on the map than new crops will: trust the figures "
        "of groups that it had not seen."
    )


def _fit(manifest: Mapping[str, Any]) -> str:
    spec: Mapping[str, Any] = manifest.get("filter") or {}
    fit: Mapping[str, Any] = manifest.get("fit") or {}
    parts = ["## Fit"]
    construction = str((fit.get("coordinates") or {}).get("construction"))
    if construction in _CONSTRUCTIONS:
        parts.append(f"Places of the aberrations for the mixture: {_CONSTRUCTIONS[construction]}.")
    if fit.get("components"):
        rows = [
            f"| {number}{' (dominant)' if one.get('dominant') else ''} | {number_text(one.get('weight'))} "
            f"| {numbers_text(one.get('mean'))} | {numbers_text(one.get('axes'))} |"
            for number, one in enumerate(fit["components"], start=1)
        ]
        head = ["| component | weight | middle | half axes, 1 sigma |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([*head, *rows]))
    if fit.get("bic"):
        told = ", ".join(f"{line(number)}: {number_text(value)}" for number, value in fit["bic"].items())
        parts.append(f"BIC by number of components (least is best): {told}.")
    parts += [line(note) for note in fit.get("notes") or ()]
    if spec:
        gate = spec.get("max_percentile")
        parts.append(
            f"Level: **{number_text(spec.get('level'))}**. {line(spec.get('level_reason'))} Second gate: "
            + (
                "off."
                if gate is None
                else f"percentile {number_text(gate)} of the distance to training crops."
            )
        )
    for title, values in (
        ("Parameters of the job", manifest.get("parameters")),
        ("The map", manifest.get("manifold")),
    ):
        given = {key: value for key, value in (values or {}).items() if value not in (None, "", [])}
        if given:
            parts.append(f"{title}:\n\n```json\n{json.dumps(given, indent=2, sort_keys=True)}\n```")
    libraries: Mapping[str, Any] = manifest.get("libraries") or {}
    if libraries:
        told = ", ".join(f"{line(key)} {line(value)}" for key, value in libraries.items())
        parts.append(f"Libraries: {told}.")
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _limits(manifest: Mapping[str, Any]) -> str:
    fit: Mapping[str, Any] = manifest.get("fit") or {}
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    spec: Mapping[str, Any] = manifest.get("filter") or {}
    count = fit.get("aberrations")
    points = [
        (
            "It tells whether a crop resembles the aberrations that it knows, not whether it is one: a kept "
            "crop is no evidence for a sample, and a rejected one may show what nobody has seen yet."
        ),
    ]
    if isinstance(count, int) and count < FEW_ABERRATIONS:
        points.append(f"It knows {count} aberrations; with other ones it might be another filter.")
    if (metrics.get("acceptance") or {}).get("val_aberrations") is None:
        points.append("Nobody has measured how many aberrations it keeps that it was not fitted on.")
    if spec.get("method") == "umap" and spec.get("max_percentile") is None:
        points.append(
            "UMAP draws crops that resemble nothing into the map, and some of them into the ellipse. The "
            "second gate (`max_percentile`) rejects them; it is off."
        )
    points += [line(point) for point in manifest.get("limits") or ()]
    points.append("Not a medical device. A cytogeneticist decides.")
    return "## Limits\n\n" + "\n".join(f"- {line(point)}" for point in points)


def _use(manifest: Mapping[str, Any]) -> str:
    name = line(manifest.get("name", "unnamed"))
    body = {"kind": "filtering", "job_id": "job_…", "filter": f"{name}/1"}
    return "\n\n".join(
        (
            "## How to use it",
            "`POST /v1/jobs` with the generation whose crops you want to filter:",
            f"```json\n{json.dumps(body, ensure_ascii=False)}\n```",
            (
                "Move the level later with `PUT /v1/jobs/{id}/filtering`: nothing is projected again. Look "
                "at the job's `map.html` in a browser before you choose one."
            ),
        )
    )
