from __future__ import annotations

import json

import pytest
import torch

from models.bridge.network import (
    SIZES,
    UNet,
    UNetConfig,
    build,
    multiply_adds,
    num_parameters,
    time_embedding,
)
from tests.support import official_bbdm

TINY = UNetConfig(base_channels=32, multipliers=(1, 2), residual_blocks=1, head_channels=32)


class TestUNet:
    def test_has_the_official_names_and_shapes_at_the_papers_size(self) -> None:
        """A checkpoint of the official code fits entry by entry."""
        with torch.device("meta"):
            state = UNet(SIZES["paper"]).state_dict()
        expected = json.loads(str(official_bbdm.recorded()["unet/paper_size/keys_and_shapes"]))

        assert list(expected.items()) == [(name, list(value.shape)) for name, value in state.items()]

    @pytest.mark.parametrize("prediction_type", ["grad", "noise", "ysubx"])
    def test_computes_what_the_official_code_computes(self, prediction_type: str) -> None:
        """The same weights and images give the same output, to float32's rounding."""
        x_t = official_bbdm.tensor(f"train/{prediction_type}/x_t")
        with torch.inference_mode():
            output = official_bbdm.network()(
                x_t, official_bbdm.tensor("batch/t"), official_bbdm.tensor("batch/y")
            )

        torch.testing.assert_close(
            output, official_bbdm.tensor(f"train/{prediction_type}/prediction"), atol=1e-6, rtol=1e-5
        )

    def test_memory_layout_changes_nothing_but_rounding(self) -> None:
        """Training and generation lay images out channels last; the network is the same."""
        x_t, y = official_bbdm.tensor("train/grad/x_t"), official_bbdm.tensor("batch/y")
        laid_out = [image.contiguous(memory_format=torch.channels_last) for image in (x_t, y)]
        with torch.inference_mode():
            output = official_bbdm.network()(laid_out[0], official_bbdm.tensor("batch/t"), laid_out[1])

        torch.testing.assert_close(
            output, official_bbdm.tensor("train/grad/prediction"), atol=1e-6, rtol=1e-5
        )

    def test_half_precision_stays_near(self) -> None:
        """Under autocast, normalisation and skips keep the type of the convolutions."""
        x_t, t, y = (official_bbdm.tensor(n) for n in ("train/grad/x_t", "batch/t", "batch/y"))
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            output = official_bbdm.network()(x_t, t, y)
        difference = (output.float() - official_bbdm.tensor("train/grad/prediction")).abs().max()

        assert torch.bfloat16 == output.dtype
        assert difference < 0.01


class TestUNetConfig:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"base_channels": 48}, "multiple of norm_groups, 32"),
            ({"multipliers": ()}, "there must be a level"),
            ({"head_channels": 48}, "must divide 1024"),
        ],
    )
    def test_refuses_sizes_that_no_network_has(self, options: dict[str, object], said: str) -> None:
        """The message says what would do."""
        with pytest.raises(ValueError, match=said):
            UNetConfig(**options)  # type: ignore[arg-type]

    def test_survives_json(self) -> None:
        """A manifest brings the same network back."""
        stored = json.loads(json.dumps(SIZES["medium"].to_json()))

        assert SIZES["medium"] == UNetConfig.from_json(stored)


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "parameters", "gmacs"),
        [("paper", 237_094_787, 123.9), ("medium", 19_846_467, 13.6), ("small", 2_963_907, 1.8)],
    )
    def test_cost_what_the_documentation_says(self, size: str, parameters: int, gmacs: float) -> None:
        """Parameters, and multiply-adds of one call on one image of 64 px."""
        assert parameters == num_parameters(SIZES[size])
        assert gmacs == pytest.approx(multiply_adds(SIZES[size], 64) / 1e9, abs=0.05)


class TestBuild:
    def test_initialises_as_the_official_code(self) -> None:
        """Weights of images and times are N(0, 0.02), and attention starts as nothing."""
        net = build(TINY, seed=3)
        weight = net.middle_block[0].in_layers[2].weight  # type: ignore[index, union-attr]

        assert 0.02 == pytest.approx(float(weight.detach().std()), rel=0.05)
        assert 0.0 == float(net.middle_block[1].proj_out.weight.detach().abs().max())  # type: ignore[union-attr, operator]

    def test_follows_its_seed_and_leaves_the_global_one_alone(self) -> None:
        """The same seed gives the same network, whatever else draws numbers."""
        torch.manual_seed(5)
        first, after = build(TINY, seed=3), torch.rand(1)
        torch.manual_seed(5)
        second, other = build(TINY, seed=3), build(TINY, seed=4)

        assert torch.equal(first.out[2].weight, second.out[2].weight)
        assert not torch.equal(first.out[2].weight, other.out[2].weight)
        assert torch.equal(after, torch.rand(1))


class TestTimeEmbedding:
    def test_tells_neighbouring_times_apart(self) -> None:
        """Every time has its own code, cosines first."""
        codes = time_embedding(torch.arange(1000), 32)

        assert (1000, 32) == tuple(codes.shape)
        assert 1.0 == float(codes[0, :16].min())
        assert torch.cdist(codes, codes).fill_diagonal_(1.0).min() > 0.1
