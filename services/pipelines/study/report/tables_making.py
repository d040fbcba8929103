"""Tables of how a study was made: generators, their crops, parameters, versions, hardware and time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.pipelines.card_text import line
from services.pipelines.study.report.blocks import Row, Table, numbers, texts
from services.pipelines.study.report.reading import (
    GENERATORS,
    NONE,
    SPLITS,
    Reading,
    duration,
    fixed,
    share,
    whole,
)

_LONG: Final = 400
_GROUPED: Final = 10_000  # from here on digits stand in groups


def generators(reading: Reading) -> Table | None:
    """What made the synthetic crops, and how long it learnt."""
    rows = []
    for one in reading.listed("generators"):
        size = one.get("parameters_millions")
        rows.append(
            Row(
                (
                    GENERATORS.get(str(one.get("method")), line(one.get("method"))),
                    reading.condition_title(str(one.get("condition"))),
                    line(one.get("origin") or NONE),
                    whole(one.get("aberrations")),
                    whole(one.get("steps")),
                    NONE if size is None else f"{size:.1f} M",
                    duration(one.get("seconds")),
                )
            )
        )
    columns = (
        *texts("Generator", "Condition", "Origin"),
        *numbers("Aberrations learnt from", "Steps", "Parameters", "Time"),
    )
    return Table(None, "Generators", columns, tuple(rows)) if rows else None


def qualities(reading: Reading) -> Table | None:
    """How near the crops of each generator come to real ones."""
    rows = []
    for one in reading.listed("candidates"):
        quality = one.get("quality") or {}
        rows.append(
            Row(
                (
                    GENERATORS.get(str(one.get("method")), line(one.get("method"))),
                    reading.condition_title(str(one.get("condition"))),
                    whole(one.get("crops")),
                    fixed(quality.get("median_max_ssim"), 3),
                    fixed(quality.get("frechet"), 1),
                    share(quality.get("two_colours")),
                    fixed(quality.get("mean_probability")),
                )
            )
        )
    columns = (
        *texts("Generator", "Condition"),
        *numbers("Crops", "Median max SSIM", "Fréchet distance", "Of two colours", "Mean probability"),
    )
    note = (
        "Max SSIM: of each crop with the training aberration that resembles it most. Fréchet distance: "
        "between embeddings of made and of training aberrations; less is nearer, and it depends on how many "
        "crops there are. Mean probability: that the classifier of real crops finds them aberrant."
    )
    return Table(None, "Synthetic crops before any filter", columns, tuple(rows), note) if rows else None


def conditions(reading: Reading) -> Table | None:
    """How many crops each condition has; None if there is one alone, which table 1 shows."""
    rows: list[Row] = []
    for name, condition in reading.conditions.items():
        rows.append(Row((reading.condition_title(name),), heading=True))
        for split, found in (condition.get("counts") or {}).items():
            counts = ("normal", "aberration", "normal_chromosomes", "aberration_chromosomes")
            slides = whole(len(found["groups"])) if "groups" in found else NONE
            rows.append(
                Row((SPLITS.get(split, line(split)), *(whole(found.get(one)) for one in counts), slides))
            )
    columns = (
        *texts("Split"),
        *numbers("Normal crops", "Aberrations", "Normal chromosomes", "Aberrant chromosomes", "Slides"),
    )
    several = len(reading.conditions) > 1
    return Table(None, "Crops in every condition", columns, tuple(rows)) if several else None


def reduced(reading: Reading) -> Table | None:
    """What is smaller or shorter here than in the paper."""
    rows = tuple(
        Row((line(one.get("what")), _value(one.get("here")), _value(one.get("paper"))))
        for one in reading.listed("reduced")
    )
    columns = texts("What", "Here", "In the paper")
    return Table(None, "What differs from the paper", columns, rows) if rows else None


def parameters(reading: Reading) -> Table | None:
    """The job's parameters, one a line."""
    rows = tuple(Row((name, value)) for name, value in _flat(reading.mapping("parameters")))
    return Table(None, "Parameters of the job", texts("Parameter", "Value"), rows) if rows else None


def environment(reading: Reading) -> Table | None:
    """Versions and hardware."""
    rows = tuple(Row((name, value)) for name, value in _flat(reading.mapping("environment")))
    return Table(None, "Versions and hardware", texts("What", "Value"), rows) if rows else None


def time(reading: Reading) -> Table | None:
    """Where the time went."""
    total = sum(one.get("seconds") or 0 for one in reading.listed("time"))
    rows = [
        Row(
            (
                line(one.get("stage")),
                duration(one.get("seconds")),
                share(one.get("seconds"), total),
                whole(one.get("steps")),
                whole(one.get("from_cache")),
            )
        )
        for one in reading.listed("time")
    ]
    if not rows:
        return None
    rows.append(Row(("All stages", duration(total), share(total, total), "", "")))
    columns = (*texts("Stage"), *numbers("Time", "Share", "Steps", "Taken from earlier work"))
    plan = reading.mapping("plan")
    note = (
        f"{whole(plan.get('runs'))} networks are compared. This job computed {whole(plan.get('computed'))} "
        f"steps, {whole(plan.get('from_cache'))} were there already. Estimated beforehand: "
        f"{duration(plan.get('estimated_seconds'))}; it took {duration(plan.get('actual_seconds'))}."
        if plan
        else ""
    )
    return Table(None, "Time", columns, tuple(rows), note)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Name nested values by their path."""
    for name, value in values.items():
        path = f"{before}{line(name)}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, _value(value)


def _value(value: object) -> str:
    """Write a value on one line, shortened if it is very long."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= _GROUPED:
        return whole(value)
    if isinstance(value, list | tuple) and all(isinstance(one, str | int | float) for one in value):
        text = ", ".join(map(line, value))
    else:
        text = line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
