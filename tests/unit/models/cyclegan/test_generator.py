"""A trained generator at work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.classification.preprocessing import Preprocessing
from models.cyclegan import network
from models.cyclegan.generator import BATCH_ON_CPU, CycleganGenerator, CycleganSpec
from models.generation.errors import GenerationError
from models.generation.pairs import source_of, to_bytes, to_signed
from models.generation.sources import Sources
from models.state_files import WeightsError

CPU = torch.device("cpu")
SPEC = CycleganSpec(Preprocessing(canvas_px=32, scale=0.8), network.GeneratorConfig(width=8, blocks=2))


@pytest.fixture(scope="module")
def weights() -> bytes:
    net = network.build_generator(SPEC.network, seed=0)
    with torch.no_grad():
        net.model[-2].weight.mul_(20.0)  # colours that differ, as if it had been trained
    return network.to_safetensors(net)


@pytest.fixture
def generator(weights: bytes) -> CycleganGenerator:
    return CycleganGenerator(weights, SPEC, CPU)


def some(sources: Sources, rows: list[int]) -> Sources:
    """Return a selection of sources."""
    return Sources(
        sources.canvases[rows],
        sources.masks[rows],
        [sources.crop_ids[row] for row in rows],
        [sources.sample_numbers[row] for row in rows],
        sources.seed,
    )


class TestCycleganGenerator:
    def test_is_the_network_on_dapi(
        self, generator: CycleganGenerator, weights: bytes, sources: Sources
    ) -> None:
        """Its output, as grey levels, on the chromosome."""
        net = CycleganGenerator(weights, SPEC, CPU)._net
        with torch.inference_mode():
            expected = to_bytes(net(source_of(to_signed(sources.canvases))))
        made = generator.generate(sources)

        assert np.uint8 == made.dtype
        assert 1 >= np.abs(made.astype(int) - expected * sources.masks[:, None]).max()
        assert made.std() > 10

    def test_looks_at_dapi_alone(self, generator: CycleganGenerator, sources: Sources) -> None:
        """The colours of a source are not known to it."""
        bleached = sources.canvases.copy()
        bleached[:, :2] = 0

        assert np.array_equal(
            generator.generate(sources), generator.generate(replace(sources, canvases=bleached))
        )

    def test_is_black_off_the_mask(self, generator: CycleganGenerator, sources: Sources) -> None:
        """As real canvases are."""
        made = generator.generate(sources)

        assert not made[~np.broadcast_to(sources.masks[:, None], made.shape)].any()

    def test_a_crop_gives_the_same_bits_in_any_company(
        self, generator: CycleganGenerator, sources: Sources
    ) -> None:
        """Alone, in another order, in a full or an open batch."""
        together = generator.generate(sources)
        order = [3, 5, 0, 4, 1, 2]
        alone = np.concatenate([generator.generate(some(sources, [row])) for row in range(6)])

        assert np.array_equal(together, alone)
        assert np.array_equal(together[order], generator.generate(some(sources, order)))

    def test_samples_of_a_source_are_copies(self, generator: CycleganGenerator, sources: Sources) -> None:
        """There is no noise, so numbers and seeds change nothing."""
        other = replace(sources, sample_numbers=[1] * 6, seed=9)

        assert np.array_equal(generator.generate(sources), generator.generate(other))

    def test_nothing_comes_of_nothing(self, generator: CycleganGenerator, sources: Sources) -> None:
        """An empty item is no error."""
        assert (0, 3, 32, 32) == generator.generate(some(sources, [])).shape

    def test_asks_before_every_call(self, generator: CycleganGenerator, sources: Sources) -> None:
        """A cancelled job ends within a batch."""
        calls: list[int] = []
        generator.generate(sources, check=lambda: calls.append(1))

        assert -(-len(sources) // BATCH_ON_CPU) == len(calls)

    def test_canvases_of_another_size_are_refused(
        self, generator: CycleganGenerator, sources: Sources
    ) -> None:
        """They were made with another preprocessing."""
        small = replace(sources, canvases=sources.canvases[..., :24, :24], masks=sources.masks[:, :24, :24])

        with pytest.raises(GenerationError, match="24 px wide, this generator takes 32 px"):
            generator.generate(small)

    def test_damage_is_noticed(self, generator: CycleganGenerator, sources: Sources) -> None:
        """Pictures that are not finite never become black ones."""
        with torch.no_grad():
            generator._net.model[1].bias[0] = torch.inf

        with pytest.raises(GenerationError, match="not finite"):
            generator.generate(sources)

    def test_weights_of_another_size_are_refused(self, weights: bytes) -> None:
        """Manifest and weights belong together."""
        other = replace(SPEC, network=network.GeneratorConfig(width=8, blocks=3))

        with pytest.raises(WeightsError, match=r"blocks=2.*manifest says.*blocks=3"):
            CycleganGenerator(weights, other, CPU)

    def test_canvases_that_no_network_takes_are_refused(self, weights: bytes) -> None:
        """When it is loaded, not when it is used."""
        with pytest.raises(ValueError, match="canvas_px is 30"):
            CycleganGenerator(weights, replace(SPEC, preprocessing=Preprocessing(canvas_px=30)), CPU)


class TestCycleganSpec:
    def test_comes_back_from_a_manifest(self) -> None:
        """Everything that belongs to the weights travels with them."""
        assert CycleganSpec.from_manifest(SPEC.to_json()) == SPEC
