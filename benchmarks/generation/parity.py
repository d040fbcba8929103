"""How far our bridge is from the official code, entry by entry: ``python -m benchmarks.generation.parity``.

The numbers of the official code are those that the tests hold it against (tests/data/README.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import torch

from models.bridge.network import SIZES, UNet
from models.bridge.official import schedule_of
from models.bridge.samplers import Sampling, sample
from models.bridge.scheduler import BrownianBridge
from tests.support import official_bbdm


def main() -> None:
    """Print a Markdown table."""
    print("| what | entries | largest deviation |\n|---|---|---|")
    with torch.inference_mode():
        for what, entries, deviation in rows():
            print(f"| {what} | {entries} | {deviation} |")


def rows() -> Iterator[tuple[str, int, str]]:
    """What is compared, how many numbers, and the largest absolute difference."""
    recorded = official_bbdm.recorded()
    with torch.device("meta"):
        state = UNet(SIZES["paper"]).state_dict()
    same = list(json.loads(str(recorded["unet/paper_size/keys_and_shapes"])).items()) == [
        (name, list(value.shape)) for name, value in state.items()
    ]
    yield "names and shapes of the paper's network", len(state), "none" if same else "they differ"
    schedule = schedule_of(BrownianBridge())
    deviations = [np.abs(values - recorded[f"schedule/{name}"]).max() for name, values in schedule.items()]
    yield "schedules (six buffers)", 1000 * len(schedule), f"{max(deviations):.1e}"
    for steps in (10, 20, 50, 200):
        exact = recorded[f"sampling/timesteps_{steps}"].tolist() == BrownianBridge().timesteps(steps)
        yield f"times of {steps} steps", steps, "none" if exact else "they differ"
    for prediction_type in ("grad", "noise", "ysubx"):
        yield from _training_rows(prediction_type)
    for index in (0, 1, 100, 198):
        yield f"reverse step {index} of 200: x_n", 3072, f"{_step_deviation(index):.1e}"
    for steps in (10, 50):
        yield f"whole chain of {steps} steps", 3072, f"{_chain_deviation(steps):.1e}"


def _training_rows(prediction_type: str) -> Iterator[tuple[str, int, str]]:
    bridge = BrownianBridge(prediction_type)
    x0, y, noise, t = (official_bbdm.tensor(f"batch/{name}") for name in ("x0", "y", "noise", "t"))
    x_t, target = bridge.add_noise(x0, y, noise, t), bridge.target(x0, y, noise, t)
    output = official_bbdm.network()(x_t, t, y)
    found = {
        "x_t": x_t,
        "target": target,
        "prediction": output,
        "loss_l1": (output - target).abs().mean(),
        "x0_hat": bridge.predict_x0(output, x_t, y, t),
    }
    names = {"x_t": "noisy image", "prediction": "network's output", "loss_l1": "L1 loss", "x0_hat": "x̂_0"}
    for name, value in found.items():
        deviation = (value - official_bbdm.tensor(f"train/{prediction_type}/{name}")).abs().max()
        yield f"`{prediction_type}`: {names.get(name, name)}", value.numel(), f"{float(deviation):.1e}"


def _step_deviation(index: int) -> float:
    bridge = BrownianBridge()
    x0, y, noise = (official_bbdm.tensor(f"batch/{name}") for name in ("x0", "y", "noise"))
    t, n = (int(official_bbdm.recorded()[f"step/{index}/{name}"]) for name in ("from_t", "to_t"))
    x_t = 0.3 * x0 + 0.7 * y
    x_n = bridge.step(_denoised(bridge, x_t, t), x_t, y, (t, n), noise=noise)
    return float((x_n - official_bbdm.tensor(f"step/{index}/x_next")).abs().max())


def _chain_deviation(steps: int) -> float:
    bridge, y, noise = BrownianBridge(), official_bbdm.tensor("batch/y"), official_bbdm.tensor("batch/noise")
    found = sample(
        Sampling("bbdm", steps), bridge, lambda x_t, t: _denoised(bridge, x_t, t), y, lambda: noise
    )
    return float((found - official_bbdm.tensor(f"chain/{steps}/sample")).abs().max())


def _denoised(bridge: BrownianBridge, x_t: torch.Tensor, t: int) -> torch.Tensor:
    y = official_bbdm.tensor("batch/y")
    times = torch.full((len(y),), t)
    return bridge.predict_x0(official_bbdm.network()(x_t, times, y), x_t, y, times).clamp(-1.0, 1.0)


if __name__ == "__main__":
    main()
