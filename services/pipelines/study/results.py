"""The results of a study as one document, and as tables for spreadsheets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.study.arms import REFERENCE, Arm
from models.study.comparisons import comparisons_of, pairs_of, reference_among
from models.study.paired import NUM_RESAMPLES
from models.study.runs import FinishedRun
from models.study.statistics import METRICS, RATIOS, SPLITS, UNITS, figures_of, summarise
from services.pipelines.study.report.reading import VERDICTS, judged
from services.spreadsheets import csv_pieces

SCHEMA: Final = 1
HEADER: Final = (
    "study",
    "parameters",
    "reduced",
    "environment",
    "conditions",
    "generators",
    "candidates",
    "filters",
    "time",
    "plan",
    "test_opened",
)
_DIGITS: Final = 6
_INTERVALS: Final = ("over_seeds", "over_slides", "both")
_RUN_COLUMNS: Final = (
    "condition",
    "arm",
    "seed",
    "train_normal",
    "train_aberration",
    "train_synthetic",
    "steps",
    "seconds",
    "loss",
    "temperature",
    "threshold",
    "threshold_10_1",
    "split",
    "unit",
    "ratio",
    *METRICS,
)


def results_of(
    header: Mapping[str, Any],
    arms: Sequence[Arm],
    runs: Sequence[FinishedRun],
    reference: str = REFERENCE,
    *,
    num_resamples: int = NUM_RESAMPLES,
) -> dict[str, Any]:
    """Put the document together.

    Parameters
    ----------
    header
        What the study knows besides its runs, by the names in `HEADER`.
    arms
        In the order in which tables show them.
    runs
        One of each condition, arm and seed, in any order.
    reference
        The arm that all are held against; the first where it did not run.

    Returns
    -------
    Plain JSON without NaN. Measured numbers have six significant digits; parameters are left as they are.

    Raises
    ------
    ValueError
        If the header lacks a part, a run's condition or arm is not among the study's, two runs share
        condition, arm and seed, or runs of a condition scored different crops.
    TypeError
        If the header holds something that JSON cannot say.
    """
    missing = [name for name in HEADER if name not in header]
    if missing:
        raise ValueError(f"The header of the results lacks {', '.join(missing)}.")
    ordered = _ordered(runs, [one["name"] for one in header["conditions"]], [arm.name for arm in arms])
    against = reference_among(arms, reference)
    told = [_run_entry(run) for run in ordered]
    document = {
        "schema": SCHEMA,
        **{name: header[name] for name in HEADER},
        "study": {**header["study"], "reference": against},
        "arms": [_arm_entry(arm) for arm in arms],
        "runs": told,
        "summaries": summarise(told),
        "comparisons": comparisons_of(ordered, pairs_of(arms, against), num_resamples=num_resamples),
    }
    strict = {name: _strict(value, exact=name == "parameters") for name, value in document.items()}
    return {name: strict[name] for name in ("schema", "study", *(key for key in strict if key != "schema"))}


def runs_csv(results: Mapping[str, Any]) -> bytes:
    """One row for each run, split, unit and ratio."""
    return _csv(_RUN_COLUMNS, _run_rows(results["runs"]))


def summaries_csv(results: Mapping[str, Any]) -> bytes:
    """One row for each condition, arm, split, unit, ratio and metric: mean, deviation, count."""
    columns = ("condition", "arm", "split", "unit", "ratio", "metric", "mean", "std", "count")
    rows = (
        {name: one[name] for name in columns[:5]} | {"metric": metric} | spread
        for one in results["summaries"]
        for metric, spread in one["metrics"].items()
    )
    return _csv(columns, rows)


def comparisons_csv(results: Mapping[str, Any]) -> bytes:
    """One row for each comparison; ``shown`` says what its interval over slides and seeds shows."""
    first = (
        "condition",
        "arm",
        "reference",
        "split",
        "unit",
        "metric",
        "difference",
        "seeds",
        "better_seeds",
    )
    bounds = tuple(f"{name}_{end}" for name in _INTERVALS for end in ("low", "high"))
    rows = (
        {name: one[name] for name in first}
        | dict(zip(bounds, (end for name in _INTERVALS for end in one[name] or (None, None)), strict=True))
        | {"resampled": one["resampled"], "shown": VERDICTS[judged(one)]}
        for one in results["comparisons"]
    )
    return _csv((*first, *bounds, "resampled", "shown"), rows)


def _ordered(
    runs: Sequence[FinishedRun], conditions: Sequence[str], arms: Sequence[str]
) -> list[FinishedRun]:
    """Sort runs as the study lists its conditions and arms, so that nothing depends on who came first."""
    for run in runs:
        if run.condition not in conditions or run.arm not in arms:
            raise ValueError(f"A run of {run.condition}, {run.arm}, which is not in the study.")
    if len({run.place for run in runs}) < len(runs):
        raise ValueError("Two runs share condition, arm and seed.")
    return sorted(runs, key=lambda run: (conditions.index(run.condition), arms.index(run.arm), run.seed))


def _arm_entry(arm: Arm) -> dict[str, Any]:
    names = ("name", "title", "augmented", "remedy", "synthetic", "selection")
    return {name: getattr(arm, name) for name in names}


def _run_entry(run: FinishedRun) -> dict[str, Any]:
    figures = {split: figures_of(scores) for split, scores in run.splits.items()}
    return {
        "condition": run.condition,
        "arm": run.arm,
        "seed": run.seed,
        "train": run.train_counts,
        "steps": run.steps,
        "seconds": run.seconds,
        "loss": run.loss,
        **run.val.thresholds._asdict(),
        **{split: figures.get(split) for split in SPLITS},
    }


def _run_rows(runs: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for run in runs:
        train = run["train"]
        counts = {
            "train_normal": train["normal"],
            "train_aberration": train["aberration"],
            "train_synthetic": sum(train["synthetic"].values()),
        }
        told = {name: counts[name] if name in counts else run[name] for name in _RUN_COLUMNS[:12]}
        for split in SPLITS:
            for unit in UNITS if run[split] else ():
                for ratio in RATIOS:
                    yield told | {"split": split, "unit": unit, "ratio": ratio} | run[split][unit][ratio]


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(csv_pieces(columns, [rows]))


def _strict(value: Any, *, exact: bool) -> Any:
    """Turn a value into what strict JSON can say, all the way down."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float | np.floating):
        number = float(value)
        if not math.isfinite(number):
            return None
        return number if exact else float(f"{number:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): _strict(one, exact=exact) for key, one in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return _strict(value.tolist(), exact=exact)
    if isinstance(value, list | tuple):
        return [_strict(one, exact=exact) for one in value]
    raise TypeError(f"{type(value).__name__} is nothing that JSON can say.")
