from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from models.bridge.network import UNetConfig, build
from models.bridge.official import from_bytes, schedule_of, to_checkpoint, to_safetensors
from models.bridge.scheduler import BrownianBridge
from models.state_files import WeightsError
from tests.support import official_bbdm

ROOT = Path(__file__).parents[4]
FIRST = "denoise_fn.input_blocks.0.0.weight"
SHAPES = [
    UNetConfig(32, (1, 2), 1, 64),
    UNetConfig(32, (1,), 2, 32),
    UNetConfig(32, (1, 2, 2), 2, 64),
    UNetConfig(64, (2, 1, 3), 3, 64),
]


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def official_checkpoint(**changes: Any) -> dict[str, Any]:
    """What the official runner writes as ``latest_model_N.pth``."""
    unet = {f"denoise_fn.{name}": value for name, value in official_bbdm.network().state_dict().items()}
    buffers = {
        name: torch.from_numpy(values).float() for name, values in schedule_of(BrownianBridge()).items()
    }
    return {"epoch": 3, "step": 400, "model": {**buffers, **unet}, "ema": dict(unet), **changes}


class TestFromBytes:
    def test_reads_an_official_checkpoint(self) -> None:
        """The network computes what it computed where it was trained."""
        net, bridge = from_bytes(saved(official_checkpoint()), official_bbdm.CONFIG.head_channels)
        x_t, t, y = (official_bbdm.tensor(n) for n in ("train/grad/x_t", "batch/t", "batch/y"))
        with torch.inference_mode():
            output = net(x_t, t, y)

        assert official_bbdm.CONFIG == net.config
        assert (1.0, 1000) == (bridge.max_variance, bridge.num_train_timesteps)
        torch.testing.assert_close(
            output, official_bbdm.tensor("train/grad/prediction"), atol=1e-6, rtol=1e-5
        )

    def test_moving_averages_count(self) -> None:
        """The official sampler uses them, where a training kept them."""
        checkpoint = official_checkpoint()
        checkpoint["ema"] = {name: torch.full_like(value, 0.25) for name, value in checkpoint["ema"].items()}
        net, _ = from_bytes(saved(checkpoint))

        assert 0.25 == float(net.out[2].bias.detach()[0])

    def test_works_without_averages(self) -> None:
        """A training without them is no error."""
        checkpoint = official_checkpoint()
        del checkpoint["ema"]

        assert official_bbdm.CONFIG.multipliers == from_bytes(saved(checkpoint))[0].config.multipliers

    @pytest.mark.parametrize("config", SHAPES, ids=str)
    def test_tells_the_size_from_the_shapes(self, config: UNetConfig) -> None:
        """No configuration file has to come along."""
        weights = to_safetensors(build(config, seed=0).state_dict(), BrownianBridge(), config)

        assert config == from_bytes(weights)[0].config

    def test_our_own_file_tells_what_no_shape_does(self) -> None:
        """Heads, groups and the prediction's meaning survive; a wrong guess would spoil every picture."""
        config = UNetConfig(32, (1, 2), 1, head_channels=16, norm_groups=8)
        content = to_safetensors(build(config, seed=0).state_dict(), BrownianBridge("ysubx"), config)
        net, bridge = from_bytes(content)

        assert config == net.config
        assert "ysubx" == bridge.prediction_type

    @pytest.mark.parametrize("variance", [0.5, 1.0, 4.0])
    def test_reads_the_variance_from_the_schedule(self, variance: float) -> None:
        """S is not written down in a checkpoint, but follows from δ."""
        weights = to_safetensors(
            build(SHAPES[0], seed=0).state_dict(), BrownianBridge(max_variance=variance), SHAPES[0]
        )

        assert variance == from_bytes(weights)[1].max_variance

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            ({"model": {"conv.weight": torch.zeros(1)}, "ema": None}, "no U-Net"),
            ({"model": 5}, "not a dictionary of tensors"),
            (
                {"model": {"denoise_fn.input_blocks.0.0.weight": torch.zeros(32, 3, 3, 3)}, "ema": {}},
                "6 channels",
            ),
        ],
    )
    def test_refuses_other_checkpoints(self, broken: dict[str, Any], said: str) -> None:
        """The message says what is wrong."""
        content = official_checkpoint(**broken)
        if isinstance(content["model"], dict):
            content["model"] = {
                **{
                    k: v for k, v in official_checkpoint()["model"].items() if not k.startswith("denoise_fn.")
                },
                **content["model"],
            }

        with pytest.raises(WeightsError, match=said):
            from_bytes(saved(content))

    def test_refuses_another_schedule(self) -> None:
        """The sine schedule of the official code would be sampled wrongly."""
        checkpoint = official_checkpoint()
        checkpoint["model"]["m_t"] = torch.sin(checkpoint["model"]["m_t"] * 1.57)

        with pytest.raises(WeightsError, match="linear schedule"):
            from_bytes(saved(checkpoint))

    @pytest.mark.parametrize(
        "change",
        [
            {"m_t": torch.tensor(0.5)},
            {"m_t": torch.zeros(0), "variance_t": torch.zeros(0)},
            {"denoise_fn.input_blocks.999999999.0.weight": torch.zeros(1)},
            {"denoise_fn.input_blocks.x.0.weight": torch.zeros(1)},
            {"denoise_fn.input_blocks.0.0.weight": torch.zeros(0, 6, 3, 3)},
            {"denoise_fn.input_blocks.0.0.weight": torch.zeros(320, 6, 1, 0)},
        ],
        ids=["number", "no steps", "a billion blocks", "no number", "no channels", "empty tensor"],
    )
    def test_refuses_tensors_that_contradict_each_other(self, change: dict[str, torch.Tensor]) -> None:
        """Whatever a few tensors claim, it is an error of the upload, and costs no time and memory."""
        checkpoint = official_checkpoint()
        checkpoint["model"] |= change

        with pytest.raises(WeightsError):
            from_bytes(saved(checkpoint | {"ema": {}}))

    def test_refuses_levels_beyond_its_tensors(self) -> None:
        """Blocks of many channels need as many numbers."""
        checkpoint = official_checkpoint()
        for name, tensor in checkpoint["model"].items():
            if name.endswith("in_layers.2.weight"):
                checkpoint["model"][name] = torch.zeros(32 * 10**5, *tensor.shape[1:-1], 0)

        with pytest.raises(WeightsError, match="channels do not go with the tensors"):
            from_bytes(saved(checkpoint | {"ema": {}}))

    def test_refuses_an_unreadable_description(self) -> None:
        """What our own file says beside its tensors is JSON, or the file was changed."""
        content = safetensors.torch.save({"a": torch.zeros(1)}, metadata={"bridge": "[1"})

        with pytest.raises(WeightsError):
            from_bytes(content)

    def test_refuses_what_only_code_could_restore(self) -> None:
        """Nothing in an upload is run."""
        with pytest.raises(WeightsError):
            from_bytes(saved({"model": Path}))


class TestToCheckpoint:
    def test_holds_what_the_official_model_loads(self) -> None:
        """Names of the official state dict, buffers included, and averages under the network's names."""
        weights = to_safetensors(official_bbdm.network().state_dict(), BrownianBridge(), official_bbdm.CONFIG)
        checkpoint = torch.load(io.BytesIO(to_checkpoint(weights)), weights_only=True)
        expected = official_checkpoint()

        assert expected["model"].keys() == checkpoint["model"].keys()
        assert expected["ema"].keys() == checkpoint["ema"].keys()
        torch.testing.assert_close(checkpoint["model"], expected["model"], atol=1e-7, rtol=0)

    def test_is_read_back(self) -> None:
        """Out and in again is the same network."""
        weights = to_safetensors(build(SHAPES[2], seed=4).state_dict(), BrownianBridge(), SHAPES[2])
        net, _ = from_bytes(to_checkpoint(weights))

        torch.testing.assert_close(net.state_dict(), build(SHAPES[2], seed=4).state_dict(), atol=0, rtol=0)

    def test_refuses_what_the_official_code_cannot_load(self) -> None:
        """It has 32 groups everywhere; the message says which sizes can be exported."""
        config = UNetConfig(32, (1,), 1, 32, norm_groups=8)
        weights = to_safetensors(build(config, seed=0).state_dict(), BrownianBridge(), config)

        with pytest.raises(WeightsError, match="'medium' or 'paper'"):
            to_checkpoint(weights)

    def test_is_a_command(self, tmp_path: Path) -> None:
        """A user exports without writing code."""
        source, target = tmp_path / "weights.safetensors", tmp_path / "bbdm.pth"
        state = build(SHAPES[1], seed=4).state_dict()
        source.write_bytes(to_safetensors(state, BrownianBridge(), SHAPES[1], half=True))
        subprocess.run(
            [sys.executable, "-m", "models.bridge.official", str(source), str(target)], cwd=ROOT, check=True
        )

        assert SHAPES[1] == from_bytes(target.read_bytes())[0].config
