"""The recipe of the shipped segmenter: CPnet from scratch on the development metaphases.

    python -m benchmarks.segmentation.train_shipped --data PATH/mfish --out var/segmenter

Resumes from its checkpoint when started again. A second cycle (``--start`` with these weights, 36
epochs, learning rate 1.2e-3) was tried and not kept: AP@0.5 on the validation slides fell from 0.873 to
0.860.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from benchmarks.segmentation.dataset import read_metaphases
from models.segmentation import network
from models.segmentation.training import SegmenterTrainer, TrainingConfig, new_network
from models.state_files import sha256_of

SPEC = network.NetworkSpec(channels=(16, 32, 64, 128), diam_mean_px=40.0)


def main() -> None:
    """Train, with a log line and a checkpoint per epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="weights to start from; default: random ones")
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "checkpoint.safetensors"

    config = TrainingConfig(epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed)
    images = [m.labelled for m in read_metaphases(options.data, "train")]
    net = network.from_bytes(options.start.read_bytes()) if options.start else new_network(config, SPEC)
    trainer = SegmenterTrainer(net, images, config, torch.device("cpu"))
    if checkpoint.exists():
        trainer.resume(checkpoint.read_bytes())
    while trainer.epoch < config.epochs:
        started = time.monotonic()
        loss = trainer.run_epoch()
        partial = checkpoint.with_suffix(".partial")
        partial.write_bytes(trainer.checkpoint())
        partial.replace(checkpoint)
        seconds = time.monotonic() - started
        print(f"epoch {trainer.epoch}/{config.epochs} loss {loss:.4f} {seconds:.1f} s", flush=True)
    weights = network.to_safetensors(trainer.net)
    (options.out / "weights.safetensors").write_bytes(weights)
    print(f"{len(weights)} bytes, sha256 {sha256_of(weights)}")


if __name__ == "__main__":
    main()
