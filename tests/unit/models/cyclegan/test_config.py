"""The recipe: the paper's numbers, the learning rate, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.cyclegan.config import CycleganConfig, steps_of_epochs
from models.cyclegan.network import GeneratorConfig


class TestCycleganConfig:
    def test_defaults_are_the_paper_s(self) -> None:
        """Where it is silent, the reference code's."""
        config = CycleganConfig(steps=1)

        assert (8, 2e-4, 0.5, 10.0) == (
            config.batch_size,
            config.learning_rate,
            config.beta1,
            config.cycle_weight,
        )
        assert (0.5, 50, 64, 64) == (
            config.identity_weight,
            config.pool_size,
            config.generator_width,
            config.discriminator_width,
        )

    def test_learning_rate_is_constant_then_falls_to_zero(self) -> None:
        """Half of the planned steps each."""
        config = CycleganConfig(steps=100, learning_rate=2.0)
        rates = [config.learning_rate_at(step) for step in (0, 49, 50, 75, 99, 100, 120)]

        assert [2.0, 2.0, 2.0, 1.0, 0.04, 0.0, 0.0] == pytest.approx(rates)

    @pytest.mark.parametrize("steps", [1, 2, 3])
    def test_every_planned_step_has_a_learning_rate(self, steps: int) -> None:
        """However few they are."""
        config = CycleganConfig(steps=steps)

        assert all(config.learning_rate_at(step) > 0 for step in range(steps))

    def test_size_of_the_network_follows_the_canvas(self) -> None:
        """Unless it is given."""
        config = CycleganConfig(steps=1, generator_width=32)

        assert GeneratorConfig(32, 6) == config.network(64)
        assert GeneratorConfig(32, 9) == config.network(128)
        assert GeneratorConfig(32, 2) == CycleganConfig(steps=1, generator_width=32, blocks=2).network(128)

    def test_comes_back_from_json(self) -> None:
        """As a manifest keeps it."""
        config = CycleganConfig(steps=7, blocks=3, seed=4, identity_weight=0.0)

        assert config == CycleganConfig.from_json(json.loads(json.dumps(config.to_json())))

    def test_unknown_names_are_refused(self) -> None:
        """The message lists the known ones."""
        with pytest.raises(ValueError, match=r"Unknown: epochs\. Known are steps, batch_size"):
            CycleganConfig.from_json({"steps": 1, "epochs": 2})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("steps", 0),
            ("batch_size", 0),
            ("record_every", 0),
            ("generator_width", 0),
            ("discriminator_width", 0),
            ("cycle_weight", -1.0),
            ("identity_weight", -0.1),
            ("pool_size", -1),
            ("seed", -1),
            ("learning_rate", 0.0),
            ("beta1", 1.0),
            ("blocks", 0),
        ],
    )
    def test_refuses_what_cannot_be_trained(self, name: str, value: Any) -> None:
        """The message names what is wrong."""
        with pytest.raises(ValueError, match=name):
            CycleganConfig(**{"steps": 1, name: value})


class TestStepsOfEpochs:
    def test_counts_the_paper_s_steps(self) -> None:
        """1,021 aberrations, 200 epochs, batches of 8."""
        assert 25_525 == steps_of_epochs(1021, 8)

    def test_rounds_up(self) -> None:
        """Every canvas is seen."""
        assert 4 == steps_of_epochs(10, 3, epochs=1)
