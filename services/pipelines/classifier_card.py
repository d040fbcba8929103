"""The model card of a classifier, written from its manifest: what it is, and how far to trust it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.pipelines.card_text import (
    MAX_GROUPS,
    cell,
    line,
    listed,
    quote,
    simulated_note,
    split_name,
    uploaded_as,
)

FEW_ABERRATIONS = 30
_FIGURES = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("average_precision", "AP"),
    ("roc_auc", "ROC AUC"),
)
_UNITS = ("crops", "chromosomes")


def classifier_card(manifest: Mapping[str, Any]) -> str:
    """Write the card in Markdown.

    Parameters
    ----------
    manifest
        A classifier's manifest. Read, where present: ``name``, ``trained``, ``description``,
        ``preprocessing``, ``calibration``, ``test_time_flips``, ``dataset`` (``name``, ``version``,
        ``sha256``), ``parameters``, ``recipe``, ``training`` (with ``normal`` and ``aberration``, the crops
        learnt from, and ``groups``), ``held_out_groups`` by split, ``metrics`` (by split what
        `Evaluation.to_json` gives), ``seeds`` (by split what `Summary.to_json` gives), ``parents``,
        ``licence``, ``notice`` (of the data's owner), ``limits`` (further ones), ``weights_sha256``,
        ``libraries``, ``imported``.
    """
    trained = bool(manifest.get("trained"))
    sections = [_head(manifest, trained=trained)]
    if trained:
        sections += [_input_output(manifest), _data(manifest), _training(manifest)]
        sections += list(_figures(manifest))
    sections += [_limits(manifest, trained=trained), _use(manifest, trained=trained)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(manifest: Mapping[str, Any], *, trained: bool) -> str:
    what = (
        "A ResNet-18 (He et al., CVPR 2016) that tells normal chromosomes from aberrant ones "
        "(translocations) in crops of painted metaphases."
        if trained
        else "Weights of a ResNet-18 (He et al., CVPR 2016) to start a training from. They were uploaded, "
        "know nothing about chromosomes, and cannot classify."
    )
    facts = [f"Licence: {line(manifest.get('licence') or 'not stated')}."]
    if manifest.get("parents"):
        facts.append(f"Made from: {', '.join(line(parent) for parent in manifest['parents'])}.")
    if manifest.get("weights_sha256"):
        facts.append(f"SHA-256 of the weights: `{manifest['weights_sha256']}`.")
    claimed = "Its training and figures are told as they came; nothing was measured here." if trained else ""
    return "\n\n".join(
        part
        for part in (
            f'# Classifier "{line(manifest.get("name", "unnamed"))}"',
            simulated_note(manifest),
            what,
            uploaded_as(manifest, claimed),
            str(manifest.get("description") or "").strip(),
            " ".join(facts),
        )
        if part
    )


def _input_output(manifest: Mapping[str, Any]) -> str:
    preprocessing: Mapping[str, Any] = manifest.get("preprocessing") or {}
    calibration: Mapping[str, Any] = manifest.get("calibration") or {}
    side = preprocessing.get("canvas_px", "?")
    ground = (
        "pixels off the chromosome's mask are black"
        if preprocessing.get("background", "zero") == "zero"
        else "pixels off the chromosome's mask are kept"
    )
    flips = " Four mirrored views are averaged." if manifest.get("test_time_flips") else ""
    given = (
        f"One chromosome on a canvas of {side} x {side} px, 8 bit: red, green, blue (DAPI), "
        f"{_number(preprocessing.get('scale'))} canvas pixels to an image pixel, smaller where it would not "
        f"fit; {ground}."
    )
    told = (
        "Output: the probability of an aberration and an embedding of 512 values. Logits are divided by the "
        f"temperature {_number(calibration.get('temperature'))}; a crop is flagged from a probability of "
        f"{_number(calibration.get('threshold'))} on.{flips}"
    )
    defaults = [
        f"The {name} was not fitted: {line(calibration[f'{name}_reason'])}"
        for name in ("temperature", "threshold")
        if calibration.get(f"{name}_reason")
    ]
    return "\n\n".join(["## Input and output", given, told, *defaults])


def _data(manifest: Mapping[str, Any]) -> str:
    dataset: Mapping[str, Any] = manifest.get("dataset") or {}
    if not dataset:
        return ""
    parts = [
        "## Data",
        f"Data set `{line(dataset.get('name'))}/{line(dataset.get('version'))}`"
        + (f", content SHA-256 `{line(dataset['sha256'])}`" if dataset.get("sha256") else "")
        + ". Groups (slides or subjects) lie in one split each.",
    ]
    training: Mapping[str, Any] = manifest.get("training") or {}
    if {"normal", "aberration"} <= set(training):
        parts.append(f"Learnt from {training['normal']} normal and {training['aberration']} aberrant crops.")
    groups = {"train": training.get("groups") or (), **(manifest.get("held_out_groups") or {})}
    parts.append(
        "\n".join(f"- {split_name(split)}: {listed(names)}" for split, names in groups.items() if names)
    )
    if manifest.get("notice"):
        parts.append("The weights derive from these data; their notice:\n\n" + quote(str(manifest["notice"])))
    return "\n\n".join(part for part in parts if part)


def _training(manifest: Mapping[str, Any]) -> str:
    training: Mapping[str, Any] = manifest.get("training") or {}
    parameters: Mapping[str, Any] = manifest.get("parameters") or {}
    given = {key: value for key, value in parameters.items() if value not in (None, "", [])}
    parts = ["## Training"]
    told = [
        f"{label}: {line(training[key])}"
        for key, label in (
            ("kept_seed", "seed"),
            ("kept_epoch", "epoch kept"),
            ("device", "device"),
            ("job_id", "job"),
        )
        if training.get(key) is not None
    ]
    if told:
        parts.append("Run: " + ", ".join(told) + ".")
    for title, values in (("Parameters of the job", given), ("What they came to", manifest.get("recipe"))):
        if values:
            parts.append(f"{title}:\n\n```json\n{json.dumps(values, indent=2, sort_keys=True)}\n```")
    libraries: Mapping[str, Any] = manifest.get("libraries") or {}
    if libraries:
        parts.append(f"Libraries: {', '.join(line(f'{key} {value}') for key, value in libraries.items())}.")
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _figures(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Write sections with figures, split by split, then over seeds."""
    evaluations = dict(_evaluations(manifest))
    if not evaluations:
        return
    yield (
        "## Figures\n\nOf the aberration class, with 95 % intervals from a bootstrap. A chromosome seen in "
        "several colour views has one score, the mean log-odds of its crops. AP is average precision."
    )
    for split, evaluation in evaluations.items():
        yield _split_section(split_name(split), evaluation)
    seeds: Mapping[str, Mapping[str, Any]] = manifest.get("seeds") or {}
    rows = [
        [
            cell(split_name(split)),
            unit,
            *(_spread(summary[unit].get(key)) for key, _ in _FIGURES),
        ]
        for split, summary in seeds.items()
        for unit in _UNITS
        if unit in summary
    ]
    count = max(
        (
            spread["count"]
            for summary in seeds.values()
            for unit in _UNITS
            for spread in summary.get(unit, {}).values()
        ),
        default=0,
    )
    if count > 1:
        yield (
            f"**Over {count} seeds**: mean ± standard deviation. The weights are those of one of them.\n\n"
            + _table(["split", "per", *(label for _, label in _FIGURES)], rows)
        )


def _split_section(name: str, evaluation: Mapping[str, Any]) -> str:
    crops, bootstrap = evaluation["crops"], evaluation["bootstrap"]
    drawn = (
        f"Fewer than 3 groups ({bootstrap['groups']}): intervals draw chromosomes within them, and say "
        "nothing about another slide."
        if bootstrap["few_groups"]
        else f"Intervals draw whole groups ({bootstrap['groups']}), {bootstrap['resamples']} times."
    )
    rows = [
        [
            unit,
            str(evaluation[unit]["count"]),
            str(evaluation[unit]["aberrations"]),
            *(_interval(evaluation[unit][key]) for key, _ in _FIGURES),
        ]
        for unit in _UNITS
    ]
    verdicts = crops["confusion"]
    counts = (
        f"Crops: {verdicts['true_positives']} found, {verdicts['false_negatives']} missed, "
        f"{verdicts['false_positives']} flagged in error, {verdicts['true_negatives']} rightly left. "
        f"Calibration error (ECE) {_number(crops['ece_before']['value'])}, with the temperature "
        f"{_number(crops['ece_after']['value'])}; Brier {_number(crops['brier']['value'])}."
    )
    return "\n\n".join(
        [
            f"**{name}**: {drawn}",
            _table(["per", "n", "aberrations", *(label for _, label in _FIGURES)], rows),
            counts,
            _groups_table(evaluation["groups"]),
        ]
    )


def _groups_table(groups: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            cell(row["group"]),
            str(row["count"]),
            str(row["aberrations"]),
            *(_number(row[key]) for key in ("precision", "recall", "average_precision")),
        ]
        for row in groups[:MAX_GROUPS]
    ]
    more = (
        f"\n\n{len(groups) - MAX_GROUPS} more groups: see the manifest." if len(groups) > MAX_GROUPS else ""
    )
    return _table(["group", "crops", "aberrations", "precision", "recall", "AP"], rows) + more


def _limits(manifest: Mapping[str, Any], *, trained: bool) -> str:
    points = []
    evaluations = dict(_evaluations(manifest))
    if trained and not set(evaluations) - {"val"}:
        points.append("Not evaluated on held-out slides that played no part in choosing it.")
    if "val" in evaluations:
        points.append(
            "Temperature and threshold were chosen on the validation split, so its figures are optimistic."
        )
    for split, evaluation in evaluations.items():
        found = evaluation["chromosomes"]["aberrations"]
        if found < FEW_ABERRATIONS:
            points.append(
                f"{split_name(split).capitalize()} holds {found} aberrant "
                f"chromosome{'' if found == 1 else 's'}: its figures are coarse."
            )
    if trained:
        points.append(
            "Another patient, probe set, stain or microscope may look unlike anything it has seen. Check it "
            "on your own annotated slides before you rely on it; the rows by group show how slides differ."
        )
    points += [str(point).strip() for point in manifest.get("limits") or ()]
    points.append("Not a medical device. A cytogeneticist decides.")
    return "## Limits\n\n" + "\n".join(f"- {line(point)}" for point in points)


def _use(manifest: Mapping[str, Any], *, trained: bool) -> str:
    name = line(manifest.get("name", "unnamed"))
    body = (
        {"kind": "classification", "sample": "S-1", "classifier": f"{name}/1"}
        if trained
        else {"kind": "classifier_training", "name": name, "dataset": "mine/1", "classifier": f"{name}/1"}
    )
    return (
        "## How to use it\n\n`POST /v1/jobs` with the version or alias that you want:\n\n"
        f"```json\n{json.dumps(body)}\n```"
    )


def _evaluations(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for split, value in (manifest.get("metrics") or {}).items():
        if isinstance(value, Mapping) and {"crops", "chromosomes"} <= set(value):
            yield split, value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None or figure.get("low") is None:
        return _number(figure["value"])
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"  # noqa: RUF001 - a range


def _spread(spread: Mapping[str, Any] | None) -> str:
    if spread is None or spread["mean"] is None:
        return "–"  # noqa: RUF001 - nothing to tell
    return f"{spread['mean']:.3f}" + ("" if spread["std"] is None else f" ± {spread['std']:.3f}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"  # noqa: RUF001 - nothing to tell
