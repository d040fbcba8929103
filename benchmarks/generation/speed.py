"""Training steps and sampled crops per second beside the plain recipe, in turns on the same machine.

    GOMP_SPINCOUNT=3000 python -m benchmarks.generation.speed --size small --out docs/results/generation

Both sides have the same network and the same crops (of the bundled metaphases; speed does not depend on
what they show). ``sampling`` is our default against the recipe's 200 steps; ``per call`` is one call of
the network on a batch, and so leaves the number of steps out. A ratio is the median over rounds of the
ratio within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.classification.workload import CHANNELS, sample_packs
from benchmarks.generation.plain import SAMPLING_STEPS, PlainTraining, plain_sample
from models.bridge.ema import EmaConfig
from models.bridge.generator import BridgeGenerator
from models.bridge.network import SIZES, build
from models.bridge.official import to_safetensors
from models.bridge.samplers import Sampling
from models.bridge.training import BridgeConfig, BridgeTrainer
from models.classification.preprocessing import mask_on_canvas
from models.generation.pairs import PairedCanvases, source_of, to_signed
from models.generation.sources import Sources
from services.crops.canvases import canvases_of

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH = 8
OURS = Sampling("dbim", 15, order=3)
_EMA_EVERY = 16


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--steps", type=int, default=8, help="training steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [
        compare("training step", "steps / s", training(options.size, options.steps), options.rounds),
        *sampling(options.size, options.rounds),
    ]
    measured = {
        "size": options.size,
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "batch": BATCH,
        "rows": rows,
    }
    print(json.dumps(measured, indent=1))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"speed_{options.size}_{DEVICE.type}.json").write_text(json.dumps(measured, indent=1))


def training(size: str, steps: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """Rounds of training steps: plain, and ours, each in steps per second."""
    pairs = PairedCanvases(crops(BATCH * 4).canvases, seed=0)
    config = BridgeConfig(steps=10**6, network=SIZES[size], batch_size=BATCH, ema=EmaConfig(every=_EMA_EVERY))
    ours = BridgeTrainer(build(config.network, seed=0), pairs, config, DEVICE)
    plain = PlainTraining(config.network, DEVICE)

    def run_plain() -> float:
        def work() -> None:
            for step in range(steps):
                batch = pairs.batch(step, BATCH)
                plain.step(batch.targets.to(DEVICE), batch.sources.contiguous().to(DEVICE))
                if step % _EMA_EVERY == 0:
                    plain.update_average()

        return steps / timed(work)

    return run_plain, lambda: steps / timed(lambda: ours.run(steps))


def sampling(size: str, rounds: int) -> list[dict[str, Any]]:
    """Sampled crops per second, whole and per call of the network."""
    count = BATCH if DEVICE.type == "cpu" else 64
    sources, net = crops(count), build(SIZES[size], seed=0).to(DEVICE).eval()
    config = BridgeConfig(network=SIZES[size])
    weights = to_safetensors(net.state_dict(), config.spec.bridge, config.network)
    ours = BridgeGenerator(weights, config.spec, DEVICE).using(OURS)
    y = source_of(to_signed(sources.canvases)).contiguous().to(DEVICE)

    def run_plain() -> float:
        return count / timed(lambda: plain_sample(net, y))

    def run_ours() -> float:
        return count / timed(lambda: ours.generate(sources))

    whole = compare("sampling", "crops / s", (run_plain, run_ours), rounds)
    per_call = [ratio / (SAMPLING_STEPS / OURS.steps) for ratio in whole["ratios"]]
    call = {
        "what": "per call of the network",
        "unit": "calls x crops / s",
        "plain": whole["plain"] * SAMPLING_STEPS,
        "ours": whole["ours"] * OURS.steps,
        "ratio": statistics.median(per_call),
        "ratios": per_call,
    }
    return [whole, call]


def compare(
    what: str, unit: str, sides: tuple[Callable[[], float], Callable[[], float]], rounds: int
) -> dict[str, Any]:
    """Rates of both sides in turns, after one unmeasured turn each."""
    plain, ours = sides
    plain()
    ours()
    pairs = [(plain(), ours()) for _ in range(rounds)]
    ratios = [ours_rate / plain_rate for plain_rate, ours_rate in pairs]
    return {
        "what": what,
        "unit": unit,
        "plain": statistics.median(rate for rate, _ in pairs),
        "ours": statistics.median(rate for _, rate in pairs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


def timed(work: Callable[[], object]) -> float:
    """Seconds, with the device's queue emptied before and after."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def crops(count: int) -> Sources:
    """Chromosomes of the bundled metaphases, repeated until there are enough."""
    preprocessing = BridgeConfig().preprocessing
    pack = sample_packs()[0]
    rows = [row % len(pack) for row in range(count)]
    canvases = canvases_of(pack, rows, CHANNELS, preprocessing, rendered=False)
    masks = np.stack([mask_on_canvas(pack.masks[row], preprocessing) for row in rows])
    return Sources(canvases, masks, [f"crop_{row}" for row in range(count)], [0] * count)


if __name__ == "__main__":
    main()
