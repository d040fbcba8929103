"""How a study's plan and its result are shown in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from client.cli.output import duration, print_facts, print_table
from client.members import number
from client.records import PlannedStep, Study, StudyPlan

_CONTENTS = ("normal", "aberration")
_BOUNDS = 2  # of an interval


def print_plan(plan: StudyPlan) -> None:
    """Print what a study will do, on what, how long it will take, and what one should know before."""
    print_facts(_facts(plan))
    print_table(
        ["condition", "step", "count", "done before", "time"],
        [
            (condition, kind, len(steps), sum(step.cached for step in steps), _time(steps))
            for (condition, kind), steps in _grouped(plan.steps).items()
        ],
        title="Work",
    )
    rows = [
        (condition, split, *(counts.get(name) for name in _CONTENTS), len(counts.get("groups") or ()))
        for condition, splits in plan.conditions.items()
        for split, counts in splits.items()
    ]
    print_table(["condition", "split", "normal crops", "aberrations", "slides"], rows, title="Data")


def sentence_of(headline: Mapping[str, Any]) -> str:
    """Tell a study's result in one line: an arm against the reference, with its interval."""
    difference = number(headline.get("difference"))
    if difference is None:
        return "nothing was compared"
    text = (
        f"{headline.get('arm')} against {headline.get('reference')}: {headline.get('metric')} of "
        f"{headline.get('split')} {headline.get('unit')} {difference:+.3f}"
    )
    bounds = headline.get("both")
    low, high = map(number, bounds) if isinstance(bounds, list) and len(bounds) == _BOUNDS else (None, None)
    if low is not None and high is not None:
        text += f" (95 % interval {low:+.3f} to {high:+.3f})"
    return f"{text}, {headline['verdict']}" if headline.get("verdict") else text


def print_studies(found: Iterable[Study]) -> None:
    """Print a line for each study."""
    print_table(
        ["study", "data set", "size", "result", "created"],
        [(study.ref, study.dataset, study.size, _result(study), study.created_at) for study in found],
    )


def _facts(plan: StudyPlan) -> list[tuple[str, Any]]:
    time = "unknown" if plan.estimated_seconds is None else f"about {duration(plan.estimated_seconds)}"
    facts: list[tuple[str, Any]] = [
        ("data set", plan.dataset),
        ("size", plan.size),
        ("networks", plan.runs),
        ("steps", f"{plan.computed} to compute, {plan.from_cache} done before"),
        ("time", f"{time} ({plan.basis})"),
    ]
    return facts + [("warning", text) for text in plan.warnings]


def _grouped(steps: Iterable[PlannedStep]) -> dict[tuple[str, str], list[PlannedStep]]:
    groups: dict[tuple[str, str], list[PlannedStep]] = {}
    for step in steps:
        groups.setdefault((step.condition, step.kind), []).append(step)
    return groups


def _time(steps: Iterable[PlannedStep]) -> str | None:
    seconds = [step.estimated_seconds for step in steps]
    known = [value for value in seconds if value is not None]
    return duration(sum(known)) if len(known) == len(seconds) else None


def _result(study: Study) -> str:
    if study.proves_nothing:
        return "proves nothing (quick)"
    text = sentence_of(study.headline)
    return f"{text} (simulated data)" if study.simulated else text
