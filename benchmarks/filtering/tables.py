"""Print what was measured of the filter as Markdown: ``python -m benchmarks.filtering.tables``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "filtering"


def main() -> None:
    """Print every table whose numbers are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    folder = parser.parse_args().results
    tables = {
        "invariance": invariance_table,
        "parity": parity_table,
        "speed": speed_table,
        "cold": cold_table,
        "constructions": constructions_table,
        "acceptance": acceptance_tables,
    }
    for name, table in tables.items():
        file = folder / f"{name}.json"
        if file.exists():
            print(table(json.loads(file.read_text(encoding="utf-8"))), end="\n\n")


def invariance_table(result: dict[str, Any]) -> str:
    """Rows that differ from one batch of all, ours and umap-learn's."""
    lines = _lines(
        "arrangement",
        "ours: rows differing",
        "umap-learn: rows differing",
        "moved, 95 % / most",
        "verdicts flipped",
    )
    for name, ours in result["ours"].items():
        theirs = result["umap-learn"].get(name)
        cells = (
            [
                f"{theirs['differing']:,} of {theirs['rows']:,}",
                f"{theirs['moved_p95']:.2f} / {theirs['moved_most']:.1f}",
                f"{theirs['verdicts_flipped']:.2%}",
            ]
            if theirs
            else ["", "", ""]
        )
        lines.append(_row(name, f"{ours['differing']:,} of {ours['rows']:,}", *cells))
    return "\n".join(lines)


def parity_table(result: dict[str, Any]) -> str:
    """Distances to umap-learn's row-by-row places."""
    lines = _lines("against umap-learn, each row alone", "median", "90 %", "99 %", "most", "verdicts flipped")
    for name, row in result["against_umap_learn_alone"].items():
        at = row["distance"]
        lines.append(
            _row(name, *(f"{at[p]:.2g}" for p in ("50", "90", "99", "100")), row["verdicts_flipped"])
        )
    trust = ", ".join(f"{name} {value:.4f}" for name, value in result["trustworthiness"].items())
    return "\n".join(lines) + f"\n\nTrustworthiness: {trust}."


def speed_table(result: dict[str, Any]) -> str:
    """Seconds for all rows."""
    rows, lines = result["rows"], _lines("", "umap-learn", "ours", "ratio")
    warm, cold, alone = result["warm_s"], result["cold_s"], result["row_by_row_s"]
    ratios = sorted(result["warm_ratios"])
    theirs = alone["umap-learn"] * rows
    lines += [
        _row(
            "batched, warm",
            *_seconds(warm),
            f"{ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        ),
        _row("batched, first call of a process", *_seconds(cold), f"{cold['umap-learn'] / cold['ours']:.2f}"),
        _row(
            "umap-learn row by row, ours batched",
            f"{theirs:.1f} s",
            f"{warm['ours']:.2f} s",
            f"{theirs / warm['ours']:.0f}",
        ),
        _row(
            "one row",
            *(f"{alone[name] * 1000:.1f} ms" for name in ("umap-learn", "ours")),
            f"{alone['umap-learn'] / alone['ours']:.2f}",
        ),
    ]
    return "\n".join(lines)


def cold_table(result: dict[str, Any]) -> str:
    """A fresh process's first verdict."""
    lines = _lines("", "file", "load", "first score", "both")
    for name in ("pickled", "ours"):
        row = result[name]
        lines.append(
            _row(
                name,
                f"{row['bytes'] / 1e6:.1f} MB",
                *(f"{row[key]:.3f} s" for key in ("load_s", "first_score_s", "both_s")),
            )
        )
    return "\n".join(lines)


def constructions_table(result: dict[str, Any]) -> str:
    """What a filter says of its own aberrations, and what it does to left-out ones."""
    lines = _lines(
        "coordinates",
        "level",
        "own aberrations kept",
        "left-out ones",
        "gap",
        "validation aberrations",
        "validation normals",
    )
    keys = ("level", "own", "fresh", "gap", "val_aberrations", "val_normals")
    for name, row in result["mean"].items():
        lines.append(_row(name, *(f"{row[key]:.3f}" for key in keys)))
    return "\n".join(lines)


def acceptance_tables(result: dict[str, Any]) -> str:
    """What each method keeps at its level, and where half of the held-out aberrations are kept."""
    kinds = list(result["crops"])
    first, second = (
        _lines("kept at its own level", "level", *kinds),
        _lines("where half of the aberrations are kept", *kinds[1:]),
    )
    for name, row in result["methods"].items():
        first.append(
            _row(name, f"{row['level']:.4g}", *(f"{row['kept'][kind]['kept']:.1%}" for kind in kinds))
        )
        half = row["where_half_of_the_aberrations_are_kept"]
        second.append(_row(name, *(f"{half[kind]:.1%}" for kind in kinds[1:])))
    gate = _lines("", *kinds)
    default = result["methods"]["umap"]["kept"]
    for title, key in (
        ("kept by the ellipse", "kept"),
        ("and not beyond the 99th percentile", "kept_with_gate"),
        ("beyond it", "beyond_gate"),
    ):
        gate.append(_row(title, *(f"{default[kind][key]:.1%}" for kind in kinds)))
    return "\n".join(first) + "\n\n" + "\n".join(second) + "\n\n" + "\n".join(gate)


def _seconds(values: dict[str, float]) -> Iterable[str]:
    return (f"{values[name]:.2f} s" for name in ("umap-learn", "ours"))


def _lines(*head: str) -> list[str]:
    return [_row(*head), _row(*["---"] * len(head))]


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


if __name__ == "__main__":
    main()
