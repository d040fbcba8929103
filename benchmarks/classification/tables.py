"""Tables, curves and galleries from the runs of `benchmarks.classification.compare`.

    python -m benchmarks.classification.tables
    python -m benchmarks.classification.tables --write --data PATH/mfish --pictured paper --hardware "..."

Without ``--write`` the tables are printed. With it ``docs/results/classification.md`` is filled from
its template, and the curves, the galleries of mistakes on each left-out line and ``summary.json`` are
written beside it. ``speed.json`` and ``scoring_memory.json`` of the same folder are shown if they are
there.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.classification.arms import ARMS, SMALL
from benchmarks.classification.costs import memory_table, speed_table
from benchmarks.classification.pictures import write_pictures
from benchmarks.classification.runs import FIGURES, KNOWN, UNITS, Level, Run, figures, read_runs, spread

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results" / "classification.md"
FOLDER = PAGE.with_suffix("")
TEMPLATE = Path(__file__).parent / "templates" / "results.md"
BASELINE = "paper-sampled"
NATURAL, THINNED = None, 10
HEADINGS = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "AP"}


def main() -> None:
    """Print the tables, or write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("var/benchmarks/classification"))
    parser.add_argument("--steps", type=int, help="of the runs, where not the scenario's own")
    parser.add_argument("--final", nargs="+", help="arms of the last tables; all that ran on known lines")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--data", type=Path, help="image set, to make the crops of the galleries again")
    parser.add_argument("--pictured", default=BASELINE, help="the arm whose mistakes are shown")
    parser.add_argument("--hardware", default="2 cores of an Intel Xeon, no GPU")
    options = parser.parse_args()
    runs = read_runs(options.runs, options.steps)
    tables = all_tables(runs, options.final)
    if not options.write:
        print("\n\n".join(f"## {name}\n\n{table}" for name, table in tables.items()))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    summary = json.dumps(summary_of(runs), indent=1) + "\n"
    (FOLDER / "summary.json").write_text(summary, encoding="utf-8")
    pictures = write_pictures(runs, options.pictured, options.data, FOLDER, options.final)
    values = tables | {
        "hardware": options.hardware,
        "pictures": pictures,
        "speed": speed_table(FOLDER / "speed.json"),
        "memory": memory_table(FOLDER / "scoring_memory.json"),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        page = page.replace("{{" + name + "}}", value)
    PAGE.write_text(page, encoding="utf-8")


def all_tables(runs: Sequence[Run], final: Sequence[str] | None = None) -> dict[str, str]:
    """Every table as Markdown, by its name in the template."""
    reshaped = [name for name, arm in ARMS.items() if arm.preprocessing != SMALL]
    lines = sorted({run.scenario for run in runs} - {KNOWN})
    chosen = [run for run in runs if (run.arm in final if final else run.arm not in reshaped)]
    return {
        "canvas": canvas_table([r for r in runs if r.arm in {BASELINE, *reshaped} and r.scenario == KNOWN]),
        "physics": lines_table([run for run in runs if run.scenario != KNOWN], lines),
        "known": "\n\n".join(
            part_tables([run for run in chosen if run.scenario == KNOWN], part, f"{part} slides")
            for part in ("val", "test")
            if any(part in run.held_out for run in chosen if run.scenario == KNOWN)
        ),
        "left_out": "\n\n".join(
            part_tables(
                [run for run in chosen if run.scenario == line],
                "left_out",
                f"line {line.removeprefix('without-')} left out",
            )
            for line in lines
        ),
    }


def canvas_table(runs: Sequence[Run]) -> str:
    """Canvas, scale and background on validation."""
    rows = []
    for arm, mine in _by_arm(runs):
        shape = ARMS[arm].preprocessing
        cells = [arm, f"{shape.canvas_px}", f"{shape.scale:g}", shape.background, _seeds(mine)]
        cells += [_over(mine, "val", "crops", name) for name in ("average_precision", "f1", "recall")]
        rows.append([*cells, _over(mine, "val", "chromosomes", "average_precision")])
    heads = ["arm", "canvas px", "scale", "background", "seeds", "AP", "F1", "recall", "AP per chromosome"]
    return _markdown(heads, rows)


def lines_table(runs: Sequence[Run], lines: Sequence[str]) -> str:
    """Each arm on each left-out line, and its gain in average precision over the baseline by seed."""
    shown = ("average_precision", "f1", "recall")
    baseline = {(run.scenario, run.seed): run for run in runs if run.arm == BASELINE}
    rows = []
    for arm, mine in _by_arm(runs):
        cells = [arm, _seeds(mine)]
        for line in lines:
            cells += [_over([r for r in mine if r.scenario == line], "left_out", "crops", n) for n in shown]
        by_line = [
            spread([_figure(run, "average_precision") for run in mine if run.scenario == line])[0]
            for line in lines
        ]
        cells.append("-" if any(map(math.isnan, by_line)) else f"{sum(by_line) / len(by_line):.3f}")
        pairs = [(run, baseline[run.scenario, run.seed]) for run in mine if _key(run) in baseline]
        gains = [_figure(a, "average_precision") - _figure(b, "average_precision") for a, b in pairs]
        better = f"{sum(gain > 0 for gain in gains)} of {len(gains)}" if arm != BASELINE else "-"
        cells += [_mean_std(gains, signed=True) if arm != BASELINE else "-", better]
        rows.append(cells)
    heads = [f"{line.removeprefix('without-')} {HEADINGS[name]}" for line in lines for name in shown]
    return _markdown(["arm", "seeds", *heads, "mean AP", f"ΔAP to {BASELINE}", "better"], rows)


def part_tables(runs: Sequence[Run], part: str, title: str) -> str:
    """All figures of one part: crops and chromosomes, natural ratio and 10 : 1."""
    runs = [run for run in runs if part in run.held_out]
    if not runs:
        return ""
    sample = runs[0].parts[part]
    aberrant = int(sample.labels.sum())
    normals = len(sample.labels) - aberrant
    counts = (
        f"{len(sample.labels)} crops, {aberrant} aberrant ({normals / aberrant:.0f} : 1); "
        f"{len(set(sample.chromosomes))} chromosomes, "
        f"{len(set(sample.chromosomes[sample.labels == 1]))} aberrant"
    )
    blocks = [f"**{title}**: {counts}"]
    for level, unit in UNITS.items():
        rows = []
        for arm, mine in _by_arm(runs):
            cells = [arm, _seeds(mine)]
            for ratio in (NATURAL, THINNED):
                cells += [_over(mine, part, level, name, ratio) for name in FIGURES]
            rows.append(cells)
        heads = [f"{HEADINGS[name]}{suffix}" for suffix in ("", f" {THINNED} : 1") for name in FIGURES]
        blocks.append(f"Per {unit}:\n\n{_markdown(['arm', 'seeds', *heads], rows)}")
    return "\n\n".join(blocks)


def summary_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds of everything that the tables show."""
    entries = []
    for scenario in sorted({run.scenario for run in runs}):
        for arm, mine in _by_arm([run for run in runs if run.scenario == scenario]):
            for part in mine[0].held_out:
                entry: dict[str, Any] = {"arm": arm, "scenario": scenario, "part": part}
                entry["seeds"] = [run.seed for run in mine]
                entry["seconds"] = round(spread([run.seconds for run in mine])[0], 1)
                for level in UNITS:
                    for ratio, name in ((NATURAL, "natural"), (THINNED, f"{THINNED}_to_1")):
                        entry[f"{level}_{name}"] = _spreads(mine, part, level, ratio)
                entries.append(entry)
    return entries


def _spreads(
    runs: Sequence[Run], part: str, level: Level, ratio: int | None
) -> dict[str, list[float | None]]:
    told = {}
    for name in FIGURES:
        values = spread([figures(run, part, level, ratio)[name] for run in runs if part in run.held_out])
        told[name] = [round(value, 4) if math.isfinite(value) else None for value in values]
    return told


def _by_arm(runs: Sequence[Run]) -> Iterable[tuple[str, list[Run]]]:
    for arm in dict.fromkeys(run.arm for run in runs):
        yield arm, [run for run in runs if run.arm == arm]


def _key(run: Run) -> tuple[str, int]:
    return run.scenario, run.seed


def _figure(run: Run, name: str) -> float:
    return figures(run, "left_out", "crops")[name]


def _seeds(runs: Sequence[Run]) -> str:
    return str(len({run.seed for run in runs}))


def _over(runs: Sequence[Run], part: str, level: Level, name: str, ratio: int | None = None) -> str:
    return _mean_std([figures(run, part, level, ratio)[name] for run in runs if part in run.held_out])


def _mean_std(values: list[float], *, signed: bool = False) -> str:
    mean, std = spread(values)
    if math.isnan(mean):
        return "-"
    shown: Callable[[float], str] = (lambda v: f"{v:+.3f}") if signed else (lambda v: f"{v:.3f}")
    return shown(mean) if math.isnan(std) else f"{shown(mean)} ± {std:.3f}"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    main()
