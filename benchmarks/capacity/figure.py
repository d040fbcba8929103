"""The figure of the capacity page: how the wait falls with every worker more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.capacity.queueing import Load

mpl.use("Agg")


def draw(curves: Mapping[float, Sequence[Mapping[str, float]]], load: Load, aim_s: float, path: Path) -> None:
    """Draw the 95th percentile of the wait against the number of workers, one panel per speed."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True)
    for axes, (image_s, rows) in zip(panels, curves.items(), strict=True):
        workers = [row["workers"] for row in rows]
        for rank, colour in (("p50", "#9ecae1"), ("p95", "#08519c")):
            axes.plot(
                workers,
                [max(row[f"wait_{rank}_s"], 0.1) for row in rows],
                "o-",
                ms=3,
                color=colour,
                label=rank,
            )
        axes.axhline(aim_s, color="#cb181d", lw=1, ls="--")
        axes.set_yscale("log")
        axes.set_title(f"{image_s:g} s per metaphase", fontsize=10)
        axes.set_xlabel("workers")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("wait for a worker, s")
    panels[0].legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"{load.images_per_min:,.0f} metaphases a minute in jobs of {load.images_per_job:.0f}, "
        f"{load.burst} at a time; dashed: {aim_s:.0f} s",
        fontsize=10,
    )
    figure.savefig(path, dpi=130)
