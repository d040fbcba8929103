"""Train the bridge that is shipped, and write weights, manifest and card into `models/weights`.

    OMP_NUM_THREADS=1 python -m benchmarks.generation.release --data FOLDER --hardware "..."

FOLDER is the ADIR M-FISH development set. It learns from the translocations of the training slides whose
junction shows, every view a crop of its own; validation slides give a loss and nothing else; test slides
are not read. What has been trained lies in ``--work``, and a second call goes on from there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.classification.crops import labelled_crops
from benchmarks.generation.crops import CACHE, aberrations, ordinary
from benchmarks.generation.generators import BRIDGE
from models.bridge.ema import EmaConfig
from models.bridge.network import SIZES, build
from models.bridge.official import from_bytes, to_safetensors
from models.bridge.samplers import Sampling
from models.bridge.training import BridgeConfig, BridgeTrainer
from models.generation.pairs import PairedCanvases
from models.quality.report import CropSet
from models.state_files import sha256_of
from services.pipelines.generator_card import generator_card
from services.pipelines.generator_manifest import recorded_libraries
from services.pipelines.generator_pictures import losses_png

ROOT = Path(__file__).parents[2]
SAVE_EVERY = 100
LIMITS = [
    (
        "It learned from 233 pictures of 112 chromosomes, nearly all of two cell lines, for as long as a CPU "
        "took in 40 minutes; docs/results/generation.md shows what it makes beside real ones."
    ),
    (
        "24-colour M-FISH shown two colours at a time, not the painting of single pairs: on other paints it "
        "must be trained anew."
    ),
    "Labels come from the set's pixel maps, karyotypes and a spectral model; no cytogeneticist checked them.",
]


def main() -> None:
    """Train, or go on, and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--work", type=Path, default=Path("var/benchmarks/bridge"))
    parser.add_argument("--hardware", required=True, help="what it was trained on")
    options = parser.parse_args()
    train, validation = (aberrations(options.data, split) for split in ("train", "val"))
    config = recipe(options.steps)
    trainer = BridgeTrainer(
        build(config.network, seed=config.seed),
        PairedCanvases(train.canvases, seed=config.seed),
        config,
        torch.device("cpu"),
    )
    run(trainer, options.work)
    slides = {
        split: sorted({crop.slide for crop in labelled_crops(options.data, CACHE) if crop.split == split})
        for split in ("train", "val", "test")
    }
    manifest = write(trainer, train, slides, validation, options.hardware)
    picture = losses_png(trainer.history, {trainer.step: manifest["metrics"]["validation_loss"]}, None)
    (options.work / "training.png").write_bytes(picture)
    made = trainer.sample(ordinary(options.data, "train", 1, seed=0))
    print(f"sha256 {manifest['weights_sha256']}, a sample has mean {made.mean():.1f}")


def recipe(steps: int) -> BridgeConfig:
    """How it is trained: the preset ``default``, shorter."""
    return BridgeConfig(
        steps=steps,
        network=SIZES["small"],
        learning_rate=5e-4,
        schedule="cosine",
        warmup_steps=100,
        ema=EmaConfig(decay=0.995, start_step=int(0.3 * steps), every=max(1, round(0.0004 * steps))),
        record_every=20,
        sampling=Sampling("dbim", 15, order=3),
    )


def run(trainer: BridgeTrainer, work: Path) -> None:
    """Train to the end, with a checkpoint now and then."""
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / "ckpt"
    if checkpoint.exists():
        trainer.resume(checkpoint.read_bytes())
    while trainer.step < trainer.planned_steps:
        trainer.run(SAVE_EVERY)
        unfinished = checkpoint.with_suffix(".part")
        unfinished.write_bytes(trainer.checkpoint())
        unfinished.replace(checkpoint)
        print(json.dumps(trainer.history[-1]), flush=True)


def write(
    trainer: BridgeTrainer, train: CropSet, slides: dict[str, list[str]], validation: CropSet, hardware: str
) -> dict[str, Any]:
    """Write weights in half precision, and what describes them."""
    net, bridge = from_bytes(trainer.weights())
    weights = to_safetensors(net.state_dict(), bridge, net.config, half=True)
    config = trainer.config
    manifest = {
        "kind": "generator",
        "name": "bridge",
        "method": "bbdm",
        "trained": True,
        **config.spec.to_json(),
        "weights_sha256": sha256_of(weights),
        "held_out_groups": {split: slides[split] for split in ("val", "test")},
        "recipe": {
            name: value
            for name, value in config.to_json().items()
            if name not in {"network", "sampling", "preprocessing"}
        },
        "parents": [],
        "training": {
            "aberrations": len(train),
            "groups": slides["train"],
            "steps": trainer.step,
            "epochs": round(trainer.step * config.batch_size / len(train), 1),
            "device": "cpu",
        },
        "metrics": {
            "training_loss": trainer.history[-1]["loss"],
            "validation_loss": trainer.validation_loss(validation.canvases),
            "validation_aberrations": len(validation),
        },
        "libraries": recorded_libraries(),
        "licence": "BSD-3-Clause; the notice of the training data in the card goes with every copy",
        "description": "Trained with benchmarks.generation.release on the ADIR / PSI M-FISH image set #1.",
        "limits": LIMITS,
        "notice": (ROOT / "samples" / "NOTICE").read_text(encoding="utf-8").strip(),
        "hardware": hardware,
    }
    BRIDGE.with_suffix(".safetensors").write_bytes(weights)
    BRIDGE.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    BRIDGE.with_suffix(".md").write_text(generator_card(manifest), encoding="utf-8")
    return manifest


if __name__ == "__main__":
    main()
