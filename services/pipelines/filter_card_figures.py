"""What a filter keeps, as tables for its card, and numbers as its card writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.pipelines.card_text import cell

SHOWN_LEVELS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
_GATED: Final = "_with_gate"
_ACCEPTANCE: Final = (
    ("train_aberrations_out_of_sample", "training aberrations, as if they were new"),
    ("train_aberrations_fitted", "training aberrations, where they take part in the fit"),
    ("val_aberrations", "validation aberrations"),
    ("val_aberrations_with_gate", "validation aberrations, with the second gate"),
    ("val_normals", "validation normals"),
    ("val_normals_with_gate", "validation normals, with the second gate"),
)


def kept_section(manifest: Mapping[str, Any]) -> str:
    """Write what it keeps at its level, and at others."""
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    acceptance: Mapping[str, Any] = metrics.get("acceptance") or {}
    gated = (manifest.get("filter") or {}).get("max_percentile") is not None
    rows = [
        f"| {label} | {_share(acceptance[name])} |"
        for name, label in _ACCEPTANCE
        if acceptance.get(name) is not None and (gated or not name.endswith(_GATED))
    ]
    if not rows:
        return ""
    held_out: Mapping[str, Any] = (metrics.get("rows") or {}).get("validation") or {}
    return "\n\n".join(
        part
        for part in (
            "## What it keeps",
            "\n".join(["| at its level | kept |", "| --- | --- |", *rows]),
            (
                f"Validation has {count_text(held_out.get('aberration'))} aberrations and "
                f"{count_text(held_out.get('normal'))} normal crops. The test split was not looked at."
            ),
            _curve(metrics.get("curve") or {}),
            _beyond(metrics.get("beyond_p99") or {}),
        )
        if part
    )


def _curve(curve: Mapping[str, Any]) -> str:
    columns = {
        name: curve[name]
        for name in ("train_aberrations", "val_aberrations", "val_normals")
        if curve.get(name) is not None
    }
    titles = {"train_aberrations": "training aberrations, as if new"}
    rows = [
        f"| {level:g} | " + " | ".join(_share(values[place]) for values in columns.values()) + " |"
        for place, level in enumerate(curve.get("level") or ())
        if level in SHOWN_LEVELS
    ]
    if not columns or not rows:
        return ""
    head = " | ".join(titles.get(name, name.replace("val_", "validation ")) for name in columns)
    return "\n".join([f"| level | {head} |", "| --- |" + " --- |" * len(columns), *rows])


def _beyond(beyond: Mapping[str, Any]) -> str:
    told = [
        f"{_share(beyond[name])} of the {label}"
        for name, label in (
            ("val_aberrations", "validation aberrations"),
            ("val_normals", "validation normals"),
        )
        if beyond.get(name) is not None
    ]
    if not told:
        return ""
    return (
        "Farther from the training crops than 99 % of these are from each other: "
        + " and ".join(told)
        + ". Of crops like the training crops it would be about 1 %."
    )


def number_text(value: Any) -> str:
    """Return a number in four digits."""
    return f"{value:.4g}" if isinstance(value, int | float) else "?"


def numbers_text(values: Sequence[float] | None) -> str:
    """Return numbers in a cell of a table."""
    return cell(", ".join(number_text(value) for value in values or ()))


def count_text(value: Any) -> str:
    """Return a count with its thousands apart."""
    return f"{value:,}" if isinstance(value, int) else "?"


def _share(value: Any) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else "?"
