"""All figures of a study's report as PNG: the paper's 3 to 8, and what its tables show at a glance."""

from __future__ import annotations

from typing import Final

from matplotlib.figure import Figure

from services.pipelines.study.figures.arms import MAX_PANELS, SCORED, dots, left_out
from services.pipelines.study.figures.crops import Kind, gallery_sheet, samples
from services.pipelines.study.figures.curves import learning_curve, losses, pr_curves, time_bars
from services.pipelines.study.figures.data import (
    METRIC_TITLES,
    SPLIT_TITLES,
    Results,
    conditions_like,
    reported_split,
)
from services.pipelines.study.figures.forest import Panel, forest
from services.pipelines.study.figures.maps import max_ssim, umap_maps
from services.pipelines.study.figures.pictures import StudyPictures
from services.pipelines.study.figures.style import png_of

FIGURES: Final = (
    *("figure3", "figure4", "figure5", "figure6", "figure7", "figure8", "gallery"),
    *("forest", "dots", "pr", "left_out", "forest_left_out", "learning_curve", "losses", "time"),
)
_SAMPLES: Final[tuple[tuple[str, str, Kind], ...]] = (
    ("figure3", "bbdm", "bad and good"),
    ("figure4", "cyclegan", "made"),
    ("figure7", "bbdm", "kept"),
    ("figure8", "bbdm", "rejected"),
)
_ALL = "all"


def figures_of(results: Results, pictures: StudyPictures) -> dict[str, bytes | None]:
    """Draw every figure of the report.

    Parameters
    ----------
    results
        As in ``results.json``. What it lacks (a generator, further seeds, test scores) is left out of the
        figures, and never made up.
    pictures
        Of the condition ``all``.

    Returns
    -------
    dict
        PNG of each of `FIGURES`, 17 cm wide at 160 dots per inch; None where there is nothing to draw.
    """
    split = reported_split(results, _ALL)
    figures: dict[str, Figure | None] = {
        **{name: _samples_of(pictures, method, kind) for name, method, kind in _SAMPLES},
        "figure5": max_ssim(pictures),
        "figure6": umap_maps(pictures),
        "gallery": gallery_sheet(pictures),
        "forest": forest(results, _panels_of(split)) if split else None,
        "dots": dots(results, _ALL, split) if split else None,
        "pr": pr_curves(pictures, results),
        "left_out": left_out(results),
        "forest_left_out": forest(results, _left_out_panels(results)),
        "learning_curve": learning_curve(results),
        "losses": losses(results),
        "time": time_bars(results),
    }
    return {name: _encoded(figures[name]) for name in FIGURES}


def _encoded(figure: Figure | None) -> bytes | None:
    return None if figure is None else png_of(figure)


def _samples_of(pictures: StudyPictures, method: str, kind: Kind) -> Figure | None:
    gallery = pictures.galleries.get(method)
    return None if gallery is None else samples(gallery, kind)


def _panels_of(split: str) -> list[Panel]:
    return [
        Panel(_ALL, split, "crops", metric, f"{METRIC_TITLES[metric]}, {SPLIT_TITLES[split]}")
        for metric in SCORED
    ]


def _left_out_panels(results: Results) -> list[Panel]:
    """Return both metrics for one condition with lines left out, and F1 of each for more of them."""
    conditions = conditions_like(results, "without-")
    metrics = SCORED if len(conditions) == 1 else SCORED[:1]
    panels = [
        Panel(
            one["name"], "left_out", "crops", metric, _left_out_title(one["title"], metric, len(conditions))
        )
        for one in conditions
        for metric in metrics
    ]
    return panels[:MAX_PANELS]


def _left_out_title(title: str, metric: str, conditions: int) -> str:
    return f"{title}: {METRIC_TITLES[metric]}" if conditions == 1 else title
