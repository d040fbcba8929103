"""Crops per second beside a plain eager PyTorch loop, in turns on the same machine.

    GOMP_SPINCOUNT=3000 python -m benchmarks.classification.speed
    GOMP_SPINCOUNT=3000 python -m benchmarks.classification.speed --repeat 2 --rounds 3    # a first look

Both sides get the chromosomes of the bundled metaphases and the same fresh weights: speed does not
depend on them. ``end to end`` starts with files: PNG for the plain loop, packs in an object store for
ours. ``network`` starts with canvases in memory. A ratio is the median over rounds of the ratio within
a round; the plain loop counts with the number of DataLoader workers that suits it best in that round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.classification import plain_loop
from benchmarks.classification.plain_loop import PngCrops, loader, write_pngs
from benchmarks.classification.workload import CHANNELS, SPEC, sample_packs
from models.classification import network
from models.classification.augmentation import PAPER
from models.classification.classifier import Classifier
from models.classification.preprocessing import WHITE, signal_levels
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases
from models.segmentation.crops import CropPack
from services.crops.canvases import canvases_of
from services.pipelines.device import choose_device
from services.storage.base import ObjectStore
from services.storage.factory import open_store

WORKERS = (0, 2)  # of the plain loop's DataLoader
ABERRANT_EVERY = 10


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=8, help="how often a round shows each metaphase")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="karyobridge-bench-") as folder:
        work = prepare(Path(folder), options.repeat)
        measured = measure(work, options.rounds)
    text = json.dumps(measured, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Work:
    """The same crops for both sides.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
    labels : (N,) int64
    """

    store: ObjectStore
    keys: list[str]
    files: list[Path]
    canvases: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def dataset(self, *, train: bool) -> PngCrops:
        """Return the plain loop's data set."""
        shape = SPEC.preprocessing
        return PngCrops(
            self.files, self.labels.tolist(), shape.canvas_px, shape.scale, SPEC.mean, SPEC.std, train
        )


def prepare(folder: Path, repeat: int) -> Work:
    """Write packs and PNG files once."""
    store = open_store((folder / "objects").as_uri())
    packs = sample_packs()
    keys, files = [], []
    for number, pack in enumerate(packs):
        keys.append(f"crops/{number}.npz")
        store.put(keys[-1], pack.to_npz())
        files += write_pngs(pack, signal_levels(pack.pixels, pack.masks), folder, str(number))
    canvases = np.concatenate([_canvases(pack) for pack in packs] * repeat)
    labels = (np.arange(len(canvases)) % ABERRANT_EVERY == 0).astype(np.int64)
    return Work(store, keys * repeat, files * repeat, canvases, labels)


def measure(work: Work, rounds: int) -> dict[str, Any]:
    """Run every pair in turns; the first round warms up and does not count."""
    pairs = _pairs(work)
    seconds: dict[str, list[float]] = {name: [] for sides in pairs.values() for name in sides}
    for number in range(rounds + 1):
        for sides in pairs.values():
            for name, side in sides.items():
                started = time.perf_counter()
                side()
                if number:
                    seconds[name].append(time.perf_counter() - started)
    count = len(work.canvases)
    rows = []
    for what, sides in pairs.items():
        *plain, ours = (seconds[name] for name in sides)
        best = [min(times) for times in zip(*plain, strict=True)]
        ratios = [theirs / mine for theirs, mine in zip(best, ours, strict=True)]
        rows.append(
            {
                "what": what,
                "unit": "crops / s",
                "plain": count / statistics.median(best),
                "ours": count / statistics.median(ours),
                "ratio": statistics.median(ratios),
                "ratios": [round(ratio, 3) for ratio in ratios],
            }
        )
    return {
        "crops_per_round": count,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gomp_spincount": os.environ.get("GOMP_SPINCOUNT"),
        "rows": rows,
        "seconds": {name: [round(one, 3) for one in times] for name, times in seconds.items()},
    }


def _pairs(work: Work) -> dict[str, dict[str, Callable[[], object]]]:
    """What is compared: the plain loop's ways first, ours last."""
    net = network.build(seed=0)
    device = choose_device("cpu")
    classifier = Classifier(network.to_safetensors(net), SPEC, device)
    canvases = torch.from_numpy(work.canvases).to(torch.float32) / WHITE
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (SPEC.mean, SPEC.std))
    ready = [[part, part] for part in ((canvases - mean) / std).split(plain_loop.BATCH)]
    evaluation, training = work.dataset(train=False), work.dataset(train=True)
    plain_net = network.build(seed=0)
    adam = torch.optim.Adam(plain_net.parameters(), lr=plain_loop.LEARNING_RATE)
    trainers = {precision: _trainer(work, precision, device) for precision in ("float32", "auto")}

    def plain_scores(workers: int) -> Callable[[], object]:
        return lambda: plain_loop.probabilities(net, iter(loader(evaluation, workers)))

    def plain_epoch(workers: int) -> Callable[[], object]:
        return lambda: plain_loop.train_epoch(plain_net, adam, iter(loader(training, workers)))

    return {
        "inference, end to end": {f"plain, {n} workers": plain_scores(n) for n in WORKERS}
        | {"ours": lambda: _score_packs(classifier, work)},
        "inference, network": {
            "plain network": lambda: plain_loop.probabilities(net, iter(ready)),
            "our network": lambda: classifier.score(work.canvases),
        },
        "training, float32": {f"plain training, {n} workers": plain_epoch(n) for n in WORKERS}
        | {"our training, float32": trainers["float32"].run_epoch},
        "training, ours in its default precision": {
            f"plain training again, {n} workers": plain_epoch(n) for n in WORKERS
        }
        | {"our training": trainers["auto"].run_epoch},
    }


def _score_packs(classifier: Classifier, work: Work) -> None:
    """What a classification job does between its rows."""
    for key in work.keys:
        classifier.score(_canvases(CropPack.from_npz(work.store.get(key))))


def _canvases(pack: CropPack) -> NDArray[np.uint8]:
    return canvases_of(pack, range(len(pack)), CHANNELS, SPEC.preprocessing, rendered=False)


def _trainer(work: Work, precision: str, device: torch.device) -> ClassifierTrainer:
    nothing = LabelledCanvases(work.canvases[:0], work.labels[:0])
    config = replace(TrainingConfig(), augmentation=PAPER, precision=precision, epochs=10**6)
    return ClassifierTrainer(
        network.build(seed=0),
        LabelledCanvases(work.canvases, work.labels),
        nothing,
        spec=SPEC,
        config=config,
        device=device,
    )


if __name__ == "__main__":
    main()
