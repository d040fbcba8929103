from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.bridge.network import UNetConfig, build
from models.bridge.official import to_safetensors
from models.bridge.samplers import Sampling
from models.classification.preprocessing import Preprocessing
from models.generation.errors import GenerationError
from models.generation.sources import Sources
from models.state_files import WeightsError

SIDE = 16
CONFIG = UNetConfig(base_channels=32, multipliers=(1, 2), residual_blocks=1, head_channels=32)
SPEC = BridgeSpec(Preprocessing(SIDE, 0.4), CONFIG, sampling=Sampling("bbdm", 4))
CPU = torch.device("cpu")


def sources(count: int, seed: int = 0) -> Sources:
    rng = np.random.default_rng(seed)
    canvases = rng.integers(0, 256, (count, 3, SIDE, SIDE), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.bool_)
    masks[:, 2:14, 4:12] = True
    return Sources(canvases, masks, [f"crop_{i}" for i in range(count)], [0] * count, seed=seed)


def chosen(whole: Sources, rows: list[int]) -> Sources:
    return Sources(
        whole.canvases[rows],
        whole.masks[rows],
        [whole.crop_ids[row] for row in rows],
        [whole.sample_numbers[row] for row in rows],
        whole.seed,
    )


@pytest.fixture(scope="module")
def generator() -> BridgeGenerator:
    weights = to_safetensors(build(CONFIG, seed=1).state_dict(), SPEC.bridge, CONFIG)
    return BridgeGenerator(weights, SPEC, CPU)


class TestBridgeGenerator:
    @pytest.mark.parametrize("sampling", [Sampling("bbdm", 4), Sampling("dbim", 3)], ids=str)
    def test_a_crop_gives_the_same_picture_in_any_batch(
        self, generator: BridgeGenerator, sampling: Sampling
    ) -> None:
        """Alone, shuffled and in a crowd: bit for bit."""
        generator, whole = generator.using(sampling), sources(11)
        together = generator.generate(whole)
        order = [10, 3, 7, 0, 5, 1, 2, 9, 8, 4, 6]

        assert np.array_equal(together[order], generator.generate(chosen(whole, order)))
        assert np.array_equal(together[[9]], generator.generate(chosen(whole, [9])))

    def test_samples_of_a_crop_differ(self, generator: BridgeGenerator) -> None:
        """Another sample number and another seed are other pictures; the same are the same."""
        one = chosen(sources(1), [0, 0, 0])
        numbered = replace(one, sample_numbers=[0, 1, 0])
        first, second, again = generator.generate(numbered)
        seeded = generator.generate(replace(one, seed=5))[0]

        assert np.array_equal(first, again)
        assert not np.array_equal(first, second)
        assert not np.array_equal(first, seeded)

    def test_looks_at_dapi_alone(self, generator: BridgeGenerator) -> None:
        """Colours of the source never leak into what is made of it."""
        whole = sources(2)
        blind = whole.canvases.copy()
        blind[:, :2] = 0

        assert np.array_equal(generator.generate(whole), generator.generate(replace(whole, canvases=blind)))

    def test_is_black_off_the_mask(self, generator: BridgeGenerator) -> None:
        """Nothing is painted beside the chromosome."""
        whole = sources(3)
        generated = generator.generate(whole)

        assert 0 == generated.transpose(0, 2, 3, 1)[~whole.masks].max()
        assert generated.max() > 0

    def test_can_be_stopped_between_calls(self, generator: BridgeGenerator) -> None:
        """A cancelled job ends after one call of the network, not after a batch of two hundred."""
        calls = []

        def check() -> None:
            calls.append(1)
            if len(calls) == 3:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            generator.generate(sources(2), check)

    def test_no_source_gives_no_picture(self, generator: BridgeGenerator) -> None:
        """An empty selection is no error."""
        assert (0, 3, SIDE, SIDE) == generator.generate(chosen(sources(1), [])).shape

    def test_refuses_another_canvas(self, generator: BridgeGenerator) -> None:
        """The message names both sizes."""
        with pytest.raises(GenerationError, match=r"\(3, 8, 8\).*takes \(3, 16, 16\)"):
            generator.generate(
                Sources(np.zeros((1, 3, 8, 8), np.uint8), np.zeros((1, 8, 8), np.bool_), ["a"], [0])
            )

    def test_refuses_to_show_what_is_not_finite(self) -> None:
        """Damaged weights become an error, not black pictures."""
        state = build(CONFIG, seed=1).state_dict()
        state["out.2.bias"] = torch.full((3,), torch.nan)
        damaged = BridgeGenerator(to_safetensors(state, SPEC.bridge, CONFIG), SPEC, CPU)

        with pytest.raises(GenerationError, match="weights are damaged"):
            damaged.generate(sources(1))

    def test_refuses_weights_of_another_size(self) -> None:
        """A manifest and weights that were mixed up are noticed."""
        weights = to_safetensors(build(CONFIG, seed=1).state_dict(), SPEC.bridge, CONFIG)
        other = replace(SPEC, network=replace(CONFIG, multipliers=(1, 1)))

        with pytest.raises(WeightsError, match="manifest says"):
            BridgeGenerator(weights, other, CPU)


class TestBridgeSpec:
    def test_survives_a_manifest(self) -> None:
        """All that the weights need is found again among whatever else a manifest tells."""
        spec = replace(SPEC, prediction_type="noise", max_variance=0.5, sampling=Sampling("dbim", 7, order=3))

        assert spec == BridgeSpec.from_manifest({"kind": "generator", **spec.to_json()})
