"""Made-up scores of a split: two views to a chromosome, aberrations on as many slides as a test wants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.study.runs import FinishedRun
from models.study.statistics import Scores, thresholds_on_validation


def scores_of(
    seed: int,
    *,
    shift: float = 3.0,
    count: int = 240,
    slides: int = 4,
    every: int = 10,
    of_slides: int | None = None,
) -> Scores:
    """Return scores of a split that is the same for every `seed`.

    Parameters
    ----------
    shift
        By how much aberrations score higher, in log-odds.
    every
        One chromosome of so many is aberrant.
    of_slides
        How many slides hold aberrations; None for all of them.
    """
    rng = np.random.default_rng(seed)
    slide = (np.arange(count) * slides) // count
    chromosome = np.arange(count) // 2
    labels = (chromosome % every == 0) & (slide < (slides if of_slides is None else of_slides))
    odds = rng.normal(-2.0, 1.5, count) + shift * labels
    return Scores(
        np.stack([np.zeros(count), odds], axis=1),
        labels.astype(np.int64),
        [f"A{one:02d}" for one in slide],
        [f"c{one}" for one in chromosome],
    )


def run_of(condition: str, arm: str, seed: int, *, shift: float = 3.0, left_out: bool = False) -> FinishedRun:
    """Return a run whose scores only condition, arm, seed and shift decide."""
    stream = int.from_bytes(f"{arm} {seed}".encode(), "little") % 2**32
    val = scores_of(stream, shift=shift)
    chosen = thresholds_on_validation(val)
    run = FinishedRun(
        condition=condition,
        arm=arm,
        seed=seed,
        train_counts={"normal": 200, "aberration": 20, "synthetic": {"bbdm": 12, "painted": 8}},
        steps=30,
        seconds=1.23456789,
        loss=0.25,
        val=val.with_thresholds(chosen),
        test=scores_of(stream + 1, shift=shift, count=180, of_slides=1).with_thresholds(chosen),
        key=f"{condition} {arm} {seed}",
    )
    return replace(run, left_out=run.val) if left_out else run
