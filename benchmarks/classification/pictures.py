"""Curves of every arm, and the mistakes of one, on the left-out cell lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.classification.arms import ARMS
from benchmarks.classification.compare import select
from benchmarks.classification.crops import LabelledCrop, canvases, labelled_crops
from benchmarks.classification.runs import KNOWN, Part, Run, calibration_of, figures, spread
from models.classification.metrics import log_odds, pr_curve, probabilities_of
from services.pipelines.classifier_pictures import gallery_png

CACHE = Path("var/benchmarks/crops.npz")
TILES = 24
GRID = np.linspace(0.0, 1.0, 201)


def write_pictures(
    runs: Sequence[Run], pictured: str, data: Path | None, folder: Path, shown: Sequence[str] | None
) -> str:
    """Write the PNG files to `folder`; returns the Markdown that shows them.

    Parameters
    ----------
    shown
        Arms whose curves are drawn; None draws all.
    """
    lines = sorted({run.scenario for run in runs} - {KNOWN})
    if not lines:
        return ""
    drawn = [run for run in runs if shown is None or run.arm in shown]
    _curves(drawn, lines, folder / "left_out_pr.png")
    blocks = [f"![Precision over recall on the left-out lines]({folder.name}/left_out_pr.png)"]
    crops = labelled_crops(data or Path(), CACHE) if data or CACHE.exists() else []
    for line in lines:
        mine = [run for run in runs if run.arm == pictured and run.scenario == line]
        if mine and crops:
            blocks += _mistakes(min(mine, key=lambda run: run.seed), crops, folder)
    return "\n\n".join(blocks)


def _curves(runs: Sequence[Run], lines: Sequence[str], path: Path) -> None:
    """Draw precision over recall, averaged over seeds at equal recall."""
    arms = list(dict.fromkeys(run.arm for run in runs))
    figure = Figure(figsize=(5.6 * len(lines), 5.4), dpi=100, layout="constrained")
    for axes, line in zip(np.atleast_1d(figure.subplots(1, len(lines))), lines, strict=True):
        for index, arm in enumerate(arms):
            mine = [run for run in runs if run.arm == arm and run.scenario == line]
            if mine:
                _draw(axes, mine, f"C{index % 10}", "-" if index < 10 else "--")
        axes.set_title(f"{line.removeprefix('without-')} left out", fontsize=10)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(visible=True, alpha=0.25)
        axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Software": None})


def _draw(axes: Axes, runs: Sequence[Run], colour: str, dashes: str) -> None:
    curves = []
    for run in runs:
        part = run.parts["left_out"]
        curve = pr_curve(part.labels, log_odds(part.logits))
        first = np.minimum(np.searchsorted(curve.x, GRID), len(curve.x) - 1)  # least recall that is enough
        curves.append(curve.y[first])
    average, _ = spread([figures(run, "left_out", "crops")["average_precision"] for run in runs])
    label = f"{runs[0].arm}: AP {average:.3f} ({len(runs)} seeds)"
    axes.plot(GRID, np.mean(curves, axis=0), color=colour, linestyle=dashes, linewidth=1.3, label=label)


def _mistakes(run: Run, crops: Sequence[LabelledCrop], folder: Path) -> list[str]:
    """Write the misses of lowest and the false alarms of highest probability."""
    held = select(list(crops), run.scenario, test=False)["left_out"]
    part = run.parts["left_out"]
    if [crop.chromosome for crop in held] != part.chromosomes.tolist():
        raise SystemExit(f"The crops in {CACHE} are not those of the runs: remove one of the two.")
    chosen = calibration_of(run)
    probability = probabilities_of(part.logits, chosen.temperature.value)
    flagged = probability >= chosen.threshold.value
    line = run.scenario.removeprefix("without-")
    blocks = []
    for name, label, sign in (("misses", 1, 1.0), ("false alarms", 0, -1.0)):
        wrong = np.flatnonzero((part.labels == label) & (flagged != bool(label)))
        worst = wrong[np.argsort(sign * probability[wrong], kind="stable")][:TILES]
        title = (
            f"{line} left out, {run.arm}, seed {run.seed}: {name} ({len(worst)} of {len(wrong)} shown, "
            f"{int((part.labels == label).sum())} in all; threshold {chosen.threshold.value:.3f})"
        )
        path = folder / f"{line}_{name.replace(' ', '_')}.png"
        path.write_bytes(_gallery(run, [held[i] for i in worst], part.of(worst), probability[worst], title))
        blocks.append(f"![{line} left out: {name}]({folder.name}/{path.name})")
    return blocks


def _gallery(
    run: Run, crops: list[LabelledCrop], part: Part, probability: NDArray[np.float64], title: str
) -> bytes:
    shape = ARMS[run.arm].preprocessing
    tiles = canvases(crops, shape) if crops else np.zeros((0, 3, shape.canvas_px, shape.canvas_px), np.uint8)
    captions = [
        f"{p:.3f}  {slide}  {view}\n{chromosome} {crop.derivative}"
        for p, slide, view, chromosome, crop in zip(
            probability, part.slides, part.views, part.chromosomes, crops, strict=True
        )
    ]
    return gallery_png(tiles, captions, title)
