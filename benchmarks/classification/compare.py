"""Train the classifier in many ways on real crops and compare them: the numbers behind the defaults.

    python -m benchmarks.classification.compare --data PATH/mfish --arms plain paper physics --seeds 0 1 2

A run is an arm (how to train), a scenario (what to train on and what to hold out) and a seed. Each is
written once to ``--out`` with its logits, so that a second call computes only what is missing;
`benchmarks.classification.tables` makes the tables. Several processes may share the folder.

Scenarios: ``known`` trains on the training slides and validates on the validation slides, whose cell
lines are partly the same. ``without-A2x`` and ``without-V289`` train and validate without one cell
line and are held against that line, as a stand-in for a new patient. The test slides are read only
with ``--test``, for arms that have been chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.classification.arms import ARMS, STEPS, Arm
from benchmarks.classification.crops import LabelledCrop, canvases, labelled_crops
from models.classification import network
from models.classification.classifier import Classifier, ClassifierSpec, Scores
from models.classification.training import ClassifierTrainer
from models.classification.training_set import LabelledCanvases, normalisation_of, thinned

SCENARIOS = tuple(STEPS)


def main() -> None:
    """Run what is asked for and not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the image set")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/classification"))
    parser.add_argument("--arms", nargs="+", choices=ARMS, required=True)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, help="instead of the scenario's own")
    parser.add_argument("--test", action="store_true", help="also score the test slides")
    parser.add_argument("--threads", type=int, default=1, help="of torch; processes scale better")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    crops = labelled_crops(arguments.data, Path("var/benchmarks/crops.npz"))
    for seed in arguments.seeds:
        for name in arguments.arms:
            for scenario in arguments.scenarios:
                run(crops, name, scenario, seed, arguments)


def run(
    crops: list[LabelledCrop], name: str, scenario: str, seed: int, arguments: argparse.Namespace
) -> None:
    """Train one arm in one scenario from one seed, and write its logits."""
    arm = ARMS[name]
    steps = arguments.steps or STEPS[scenario]
    path = arguments.out / f"{name}.{scenario}.{seed}.{steps}.json"
    claim = path.with_suffix(".running")
    if path.exists() or (claim.exists() and time.time() - claim.stat().st_mtime < 3600):
        return
    claim.touch()
    started = time.perf_counter()
    parts = select(crops, scenario, test=arguments.test)
    trainer = train(parts["train"], parts["val"], arm, seed, steps)
    seconds = time.perf_counter() - started
    scorer = Classifier(
        trainer.weights(), replace(trainer.spec, test_time_flips=arm.test_time_flips), trainer.device
    )
    result: dict[str, Any] = {
        "arm": name,
        "scenario": scenario,
        "seed": seed,
        "epochs": trainer.epoch,
        "counted_epoch": trainer.best_epoch,
        "seconds": round(seconds, 1),
        "train": {
            "normal": sum(1 - c.label for c in parts["train"]),
            "aberration": sum(c.label for c in parts["train"]),
        },
        "precision": str(trainer._autocast_dtype),
        "history": [vars(record) for record in trainer.history],
        "scores": {part: scores(scorer, parts[part]) for part in parts if part != "train"},
    }
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.rename(path)
    claim.unlink(missing_ok=True)
    last = trainer.history[-1]
    print(
        f"{name:24s} {scenario:14s} seed {seed}  val AP {last.val_average_precision}  {seconds:.0f} s",
        flush=True,
    )


def select(crops: list[LabelledCrop], scenario: str, *, test: bool) -> dict[str, list[LabelledCrop]]:
    """Crops to train on, to choose on, and to be held against."""
    left_out = scenario.removeprefix("without-") if scenario != "known" else None
    parts = {
        "train": [c for c in crops if c.split == "train" and c.lineage != left_out],
        "val": [c for c in crops if c.split == "val" and c.lineage != left_out],
    }
    if left_out:
        parts["left_out"] = [c for c in crops if c.split != "test" and c.lineage == left_out]
    if test:
        parts["test"] = [c for c in crops if c.split == "test" and (not left_out or c.lineage == left_out)]
    return parts


def train(
    training: list[LabelledCrop], validation: list[LabelledCrop], arm: Arm, seed: int, steps: int
) -> ClassifierTrainer:
    """Train to the end."""
    labels = np.array([c.label for c in training], np.int64)
    rows = thinned(labels, arm.normal_ratio, seed=0)
    chosen = LabelledCanvases(canvases([training[i] for i in rows], arm.preprocessing), labels[rows])
    held = LabelledCanvases(
        canvases(validation, arm.preprocessing), np.array([c.label for c in validation], np.int64)
    )
    mean, std = normalisation_of(chosen.canvases)
    epochs = max(1, round(steps * arm.training.batch_size / len(chosen)))
    trainer = ClassifierTrainer(
        network.build(seed=seed),
        chosen,
        held,
        spec=ClassifierSpec(arm.preprocessing, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])),
        config=replace(arm.training, seed=seed, epochs=epochs),
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
    )
    while not trainer.finished:
        trainer.run_epoch()
    return trainer


def scores(scorer: Classifier, crops: list[LabelledCrop]) -> dict[str, Any]:
    """Logits with what is needed to judge them."""
    if not crops:
        return {}
    scored: Scores = scorer.score(canvases(crops, scorer.spec.preprocessing))
    logits: NDArray[np.float32] = scored.logits
    return {
        "logits": [[round(float(v), 5) for v in row] for row in logits],
        "labels": [c.label for c in crops],
        "slides": [c.slide for c in crops],
        "chromosomes": [c.chromosome for c in crops],
        "views": [c.view for c in crops],
    }


if __name__ == "__main__":
    main()
