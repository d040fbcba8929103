"""What the commands of ``filter`` print: counts before and after, and what changed between versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from client.cli.output import print_facts, print_table
from client.members import members, number
from client.records import FilterCount, FilterDifference, Filtering


def facts_of_counts(counted: Filtering) -> list[tuple[str, Any]]:
    """Which filter, and where its sliders stand."""
    limit = "no limit" if counted.max_percentile is None else f"percentile {counted.max_percentile:g}"
    return [
        ("filter", counted.filter),
        ("level", f"{counted.level:.4g}{'' if counted.decided else ', not decided so: only counted'}"),
        ("distance", limit),
    ]


def print_counts(counted: Filtering) -> None:
    """Print crops before and after filtering, as in the paper, and by what they are."""
    groups: list[tuple[str, FilterCount]] = [("all", counted)]
    if len(counted.by_origin) > 1:
        groups += counted.by_origin.items()
    if set(counted.by_class) - {"unlabelled"}:
        groups += counted.by_class.items()
    print_table(
        ["crops", "before", "after", "kept"],
        [
            (name, one.before, one.after, None if one.share is None else f"{one.share:.1%}")
            for name, one in groups
        ],
    )


def print_difference(found: FilterDifference) -> None:
    """Print which verdicts flip, and the parameters that differ."""
    verdicts = members(found.difference.get("verdicts"))
    told = [(name, verdicts.get(name)) for name in ("rows", "newly_kept", "newly_rejected")]
    print_facts([("from", found.first), ("to", found.second), *_worded(told)])
    parameters = members(found.difference.get("parameters"))
    rows = [(name, *pair) for name, pair in parameters.items() if isinstance(pair, list)]
    if rows:
        print_table(["parameter", found.first, found.second], [tuple(map(_text, row)) for row in rows])


def _worded(told: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    known = [(name.replace("_", " "), number(value)) for name, value in told]
    return [
        (name, f"{value:.0f}" if name == "rows" else f"{value:.1%}")
        for name, value in known
        if value is not None
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
