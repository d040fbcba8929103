from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.bridge.ema import EmaConfig
from models.bridge.generator import BridgeGenerator
from models.bridge.network import UNetConfig, build
from models.bridge.samplers import Sampling
from models.bridge.training import BridgeConfig, BridgeTrainer, Plateau
from models.classification.preprocessing import Preprocessing
from models.generation.pairs import UNCHANGED, PairedCanvases
from models.generation.sources import Sources

SIDE = 8
NET = UNetConfig(base_channels=32, multipliers=(1, 1), residual_blocks=1, head_channels=32)
CONFIG = BridgeConfig(
    steps=12,
    network=NET,
    batch_size=4,
    learning_rate=1e-3,
    ema=EmaConfig(decay=0.5, start_step=4, every=2),
    sampling=Sampling("dbim", 3),
    preprocessing=Preprocessing(SIDE, 0.2),
    record_every=5,
    precision="float32",
)
CPU = torch.device("cpu")


def canvases(count: int = 6) -> np.ndarray:
    """Red where DAPI is bright, green where it is dark: a rule that can be learned."""
    rng = np.random.default_rng(0)
    dapi = rng.integers(40, 256, (count, 1, SIDE // 4, SIDE // 4), np.uint8).repeat(4, 2).repeat(4, 3)
    red = np.where(dapi > 140, 230, 10).astype(np.uint8)
    return np.concatenate([red, 240 - red, dapi], axis=1)


def trainer(config: BridgeConfig = CONFIG, **options: Any) -> BridgeTrainer:
    pairs = PairedCanvases(canvases(), seed=config.seed, augmentation=UNCHANGED)
    return BridgeTrainer(build(config.network, seed=config.seed), pairs, config, CPU, **options)


def gradients_of(made: BridgeTrainer) -> dict[str, torch.Tensor]:
    """What the last step left behind."""
    return {name: value.grad.clone() for name, value in made.net.named_parameters() if value.grad is not None}


def weights_after(made: BridgeTrainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.net.state_dict().items()}


class TestBridgeTrainer:
    def test_learns(self) -> None:
        """The loss falls, on what is shown and on fixed times and noise."""
        made = trainer(replace(CONFIG, steps=60, schedule="cosine", record_every=20))
        before = made.validation_loss(canvases())
        made.run(60)

        assert made.history[-1]["loss"] < 0.8 * made.history[0]["loss"]
        assert made.validation_loss(canvases()) < 0.7 * before

    def test_generates_by_what_it_learned(self) -> None:
        """Bright DAPI becomes red and dark DAPI green, on canvases it has not seen in this order."""
        made = trainer(
            replace(CONFIG, steps=200, schedule="cosine", learning_rate=3e-3, ema=EmaConfig(0.9, 50, 1))
        )
        made.run(200)
        shown = canvases()
        sources = Sources(shown, np.ones((6, SIDE, SIDE), np.bool_), list("abcdef"), [0] * 6)
        generated = made.sample(sources).astype(int)
        right = (generated[:, 0] > generated[:, 1]) == (shown[:, 0] > shown[:, 1])

        assert right.mean() > 0.9

    def test_resumes_bit_for_bit(self) -> None:
        """Cut after any step, a training ends with the weights, averages and history of an uncut one."""
        whole = trainer()
        whole.run(12)
        cut = trainer()
        for stop in (3, 7, 12):
            cut.run(stop - cut.step)
            again = trainer()
            again.resume(cut.checkpoint())
            cut = again

        assert whole.history == cut.history
        assert whole.weights() == cut.weights()
        torch.testing.assert_close(weights_after(cut), weights_after(whole), atol=0, rtol=0)

    def test_plateau_is_resumed_too(self) -> None:
        """What the schedule has counted is not forgotten: the rate falls at the same step."""
        config = replace(CONFIG, plateau=Plateau(patience=1, cooldown=1, threshold=0.9))
        whole, cut = trainer(config), trainer(config)
        whole.run(12)
        cut.run(5)
        again = trainer(config)
        again.resume(cut.checkpoint())
        again.run(12)

        assert whole.learning_rate == again.learning_rate
        assert whole.learning_rate < config.learning_rate

    def test_stops_at_the_planned_steps(self) -> None:
        """Asking for more is no error."""
        made = trainer()
        made.run(1000)

        assert 12 == made.step
        assert [5, 10, 12] == [record["step"] for record in made.history]

    def test_can_be_stopped_before_a_step(self) -> None:
        """A cancelled job leaves no half step behind."""
        made = trainer()
        made.run(2)
        kept = made.checkpoint()

        def stop() -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            made.run(2, stop)
        assert kept == made.checkpoint()

    def test_memory_that_runs_out_halves_the_batch(self) -> None:
        """The gradient is accumulated from parts, and is that of the whole batch."""
        whole, short = trainer(), trainer()
        forward = short.net.forward

        def small_memory(x_t: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            if len(x_t) > 1:
                raise torch.OutOfMemoryError("too many")
            return forward(x_t, t, y)

        short.net.forward = small_memory  # type: ignore[method-assign]
        whole.run(1)
        short.run(1)

        assert 1 == short.micro_batch
        torch.testing.assert_close(gradients_of(short), gradients_of(whole), atol=1e-6, rtol=1e-4)

    def test_gives_up_when_one_crop_is_too_much(self) -> None:
        """There is nothing left to halve."""
        made = trainer()

        def no_memory(*_: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("none at all")

        made.net.forward = no_memory  # type: ignore[method-assign]

        with pytest.raises(torch.OutOfMemoryError):
            made.run(1)

    @pytest.mark.parametrize("prediction_type", ["grad", "noise", "ysubx"])
    @pytest.mark.parametrize("loss", ["l1", "l2"])
    def test_every_target_and_loss_trains_and_samples(self, prediction_type: str, loss: str) -> None:
        """What is trained one way is sampled the same way."""
        made = trainer(replace(CONFIG, steps=2, prediction_type=prediction_type, loss=loss))
        made.run(2)
        sources = Sources(canvases(1), np.ones((1, SIDE, SIDE), np.bool_), ["a"], [0])

        assert prediction_type == made.config.spec.bridge.prediction_type
        assert np.array_equal(
            made.sample(sources), BridgeGenerator(made.weights(), made.config.spec, CPU).generate(sources)
        )


class TestMovingAverage:
    def test_copies_first_and_then_averages(self) -> None:
        """Until its start the average is the newest copy; then it moves by the decay."""
        made = trainer()
        name = "out.2.bias"
        made.run(2)
        copied = made.average.shadow[name].clone()
        at_two = made.net.state_dict()[name].clone()
        made.run(2)
        at_four = made.net.state_dict()[name].clone()

        assert torch.equal(at_two, copied)
        torch.testing.assert_close(made.average.shadow[name], 0.5 * copied + 0.5 * at_four)


class TestShare:
    def test_two_processes_make_the_steps_of_one(self, tmp_path: Path) -> None:
        """Gradients are summed over gloo: that of a whole batch in both, and weights that never part."""
        alone = trainer()
        alone.run(1)
        gradients = gradients_of(alone)
        alone.run(4)
        context = multiprocessing.get_context("spawn")
        processes = [
            context.Process(target=train_in_a_group, args=(rank, str(tmp_path / "meeting"), str(tmp_path)))
            for rank in (0, 1)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        shared = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]

        torch.testing.assert_close(shared[0], shared[1], atol=0, rtol=0)
        torch.testing.assert_close(shared[0]["gradients"], gradients, atol=1e-6, rtol=1e-4)
        assert alone.history[0]["loss"] == pytest.approx(shared[0]["loss"], rel=0.01)

    def test_refuses_more_processes_than_crops(self) -> None:
        """Every process needs something to do."""
        with pytest.raises(ValueError, match="cannot be shared by 5"):
            trainer(share=(0, 5))


def train_in_a_group(rank: int, meeting: str, folder: str) -> None:
    """One of two processes that train together."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    made = trainer(share=(rank, 2))
    made.run(1)
    gradients = gradients_of(made)
    made.run(4)
    state = {"gradients": gradients, "weights": weights_after(made), "loss": made.history[0]["loss"]}
    torch.save(state, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


class TestBridgeConfig:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"loss": "huber"}, "use one of l1, l2"),
            ({"schedule": "step"}, "use one of plateau, cosine"),
            ({"steps": 0}, "must be positive"),
            ({"preprocessing": Preprocessing(9, 0.2)}, "multiple of 2"),
        ],
    )
    def test_refuses_what_cannot_be(self, options: dict[str, Any], said: str) -> None:
        """The message says what would do."""
        with pytest.raises(ValueError, match=said):
            replace(CONFIG, **options)

    def test_defaults_are_the_papers(self) -> None:
        """Appendix A.2: what the paper printed needs no option."""
        config = BridgeConfig()

        assert (8, 1e-4, "l1", "grad", "plateau") == (
            config.batch_size,
            config.learning_rate,
            config.loss,
            config.prediction_type,
            config.schedule,
        )
        assert EmaConfig(0.995, 30_000, 16) == config.ema
        assert Plateau(0.5, 3000, 3000, 1e-4, 5e-7) == config.plateau
