"""Print what was measured of generation as Markdown: ``python -m benchmarks.generation.tables``."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

MEASURES = ("Fréchet distance", "kernel distance", "median max SSIM")
RESULTS = Path(__file__).parents[2] / "docs" / "results" / "generation"


def main() -> None:
    """Print every table whose numbers are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    folder = parser.parse_args().results
    rows = [row for file in sorted(folder.glob("steps*.json")) for row in _read(file)]
    print(steps_table(rows), end="\n\n")
    if (folder / "compared.json").exists():
        print(compared_table(_read(folder / "compared.json")), end="\n\n")
    for file in sorted(folder.glob("speed_*.json")):
        print(speed_table(_read(file)), end="\n\n")


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def steps_table(rows: list[dict[str, Any]]) -> str:
    """Quality against steps: mean over seeds, and the values of single seeds where there are several."""
    by_way: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_way[row["sampler"], row["steps"], row["order"]].append(row)
    lines = [_head("sampler", "steps", "order", "seeds", *MEASURES, "two colours", "s / crop")]
    for (sampler, steps, order), same in sorted(by_way.items(), key=lambda way: (way[0][0], -way[0][1])):
        kernel = mean(row["kernel_distance"]["value"] for row in same)
        lines.append(
            f"| {sampler} | {steps} | {order if sampler == 'dbim' else ''} | {len(same)} | "
            f"{_each([row['frechet_distance'] for row in same], 1)} | {kernel:.3f} | "
            f"{_each([row['median_max_ssim'] for row in same], 3)} | "
            f"{mean(row['two_coloured']['two_coloured_share'] for row in same):.2f} | "
            f"{mean(row['seconds_per_crop'] for row in same):.2f} |"
        )
    return "\n".join(lines)


def compared_table(rows: dict[str, dict[str, Any]]) -> str:
    """Generators side by side."""
    lines = [
        _head(
            *("", "Fréchet to training", "to validation", "median max SSIM", "copies", "two colours"),
            *("kinds of pairs", "nearest other", "P(aberration)", "s / crop"),
        )
    ]
    for name, row in rows.items():
        report, held = row.get("against_training"), row.get("against_validation")
        if report is None:
            lines.append(f"| {name} | | | | | | | | {row['median_probability']:.2f} | |")
            continue
        made, embedded = report["diversity"]["generated"], report["embeddings"]
        lines.append(
            f"| {name} | {embedded['frechet_distance']:.1f} | "
            f"{'' if held is None else format(held['embeddings']['frechet_distance'], '.1f')} | "
            f"{report['max_ssim']['generated']['p50']:.3f} | {report['memorisation']['copies']} | "
            f"{made['two_coloured_share']:.2f} | {made['effective_pairs']:.1f} | "
            f"{embedded['distance_to_nearest_other']['generated']:.2f} | {row['median_probability']:.2f} | "
            f"{format(row['seconds_per_crop'], '.3f') if 'seconds_per_crop' in row else ''} |"
        )
    return "\n".join(lines)


def speed_table(measured: dict[str, Any]) -> str:
    """Rates beside the plain recipe."""
    where = f"{measured['device']}, {measured['threads']} thread(s), batch {measured['batch']}"
    lines = [f"Size `{measured['size']}`, {where}.", "", _head("", "unit", "plain", "ours", "ratio")]
    lines += [
        f"| {row['what']} | {row['unit']} | {row['plain']:.3g} | {row['ours']:.3g} | {row['ratio']:.2f} |"
        for row in measured["rows"]
    ]
    return "\n".join(lines)


def _head(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def _each(values: list[float], digits: int) -> str:
    """The mean, and single values in brackets."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ({', '.join(f'{value:.{digits}f}' for value in values)})"


if __name__ == "__main__":
    main()
