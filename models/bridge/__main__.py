"""Train a bridge outside the service, on several GPUs: ``torchrun --nproc-per-node 4 -m models.bridge …``.

A job of the service trains on one GPU. This takes the aberrations of an exported data set (its ZIP,
unpacked), trains with as many processes as torchrun starts, and writes weights that
``POST /v1/artifacts/generator`` takes in. Each process computes its share of every batch, so the steps
are those of one process, and `--resume` continues with another number of processes too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.bridge.ema import EmaConfig
from models.bridge.network import SIZES, build
from models.bridge.training import ONE_PROCESS, BridgeConfig, BridgeTrainer
from models.classification.preprocessing import CANVAS_CHANNELS, Preprocessing, to_canvas
from models.generation.pairs import PairedCanvases

_LEVELS = np.array([[0.0, 255.0]] * 3, np.float32)  # exported crops have their final colours
_STEPS_PER_TURN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, or go on with a training, and write the weights."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(options.device, int(os.environ.get("LOCAL_RANK", "0")))
    if processes > 1:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    canvases = read_canvases(options.aberrations, Preprocessing(options.canvas_px, options.scale))
    config = _config(options, len(canvases))
    trainer = BridgeTrainer(
        build(config.network, seed=config.seed),
        PairedCanvases(canvases, seed=config.seed),
        config,
        device,
        share=(rank, processes) if processes > 1 else ONE_PROCESS,
    )
    checkpoint = options.out / "training.safetensors"
    if options.resume:
        trainer.resume(checkpoint.read_bytes())
    _train(trainer, checkpoint, options.checkpoint_every_s if rank == 0 else None)
    if rank == 0:
        (options.out / "weights.safetensors").write_bytes(trainer.weights())
        (options.out / "manifest.json").write_text(json.dumps(config.spec.to_json(), indent=1))
        (options.out / "history.json").write_text(json.dumps(trainer.history, indent=1))
    if processes > 1:
        torch.distributed.destroy_process_group()
    return 0


def read_canvases(folder: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Read crops, PNG files on black, below a folder.

    Returns
    -------
    (N, 3, S, S) uint8
        Red, green, DAPI, in the order of the files' names.

    Raises
    ------
    SystemExit
        There is none.
    """
    files = sorted(folder.rglob("*.png"))
    if not files:
        sys.exit(
            f"There is no PNG file below {folder}; unpack an exported data set and name train/aberration."
        )
    canvases = []
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3:  # noqa: PLR2004 - rows, columns, colours
            sys.exit(f"{file} is not a picture in colours.")
        colours = np.ascontiguousarray(picture[..., 2::-1].transpose(2, 0, 1))
        mask = picture[..., 3] > 0 if picture.shape[2] > len(CANVAS_CHANNELS) else colours.any(axis=0)
        canvases.append(to_canvas(colours, mask, _LEVELS, CANVAS_CHANNELS, preprocessing))
    return np.stack(canvases)


def _train(trainer: BridgeTrainer, checkpoint: Path, checkpoint_every_s: float | None) -> None:
    """Run all steps; the one process that is told how often also tells and saves."""
    saved = time.monotonic()
    while trainer.step < trainer.planned_steps:
        trainer.run(_STEPS_PER_TURN)
        if checkpoint_every_s is None:
            continue
        if trainer.history:
            record = trainer.history[-1]
            sys.stderr.write(f"\rstep {trainer.step} of {trainer.planned_steps}, loss {record['loss']:.4f}")
        if time.monotonic() - saved >= checkpoint_every_s:
            unfinished = checkpoint.with_suffix(".part")
            unfinished.write_bytes(trainer.checkpoint())
            unfinished.replace(checkpoint)
            saved = time.monotonic()


def _config(options: argparse.Namespace, num_crops: int) -> BridgeConfig:
    steps = options.steps or -(-options.epochs * num_crops // options.batch_size)
    config = BridgeConfig(
        steps=steps,
        network=SIZES[options.size],
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        preprocessing=Preprocessing(options.canvas_px, options.scale),
        seed=options.seed,
    )
    if options.preset == "paper":
        return config
    # The paper's average starts after 30,000 steps, which a small data set never reaches.
    return replace(config, ema=EmaConfig(start_step=steps // 5, every=16))


def _device(wish: str, local_rank: int) -> torch.device:
    if wish == "cpu" or (wish == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.bridge",
        description="Train a bridge; start it with torchrun for several processes.",
    )
    parser.add_argument("aberrations", type=Path, help="folder of crops, PNG files on black")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, history, checkpoint")
    parser.add_argument("--preset", choices=["paper", "default"], default="default")
    parser.add_argument("--size", choices=sorted(SIZES), default="paper")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: from --epochs)")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=8, help="of all processes together")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--canvas-px", type=int, default=64)
    parser.add_argument("--scale", type=float, default=1.6, help="canvas pixels per image pixel")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--checkpoint-every-s", type=float, default=600.0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
