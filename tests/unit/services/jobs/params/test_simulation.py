"""What may be asked of a simulation."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.jobs.params import MAX_SIMULATED_CROPS, SimulationParams


class TestSimulationParams:
    def test_tells_how_many_crops_it_makes(self) -> None:
        """Aberrations of all splits, their normals, and the unlabelled ones."""
        params = SimulationParams(
            name="s",
            train_aberrations=3,
            val_aberrations=1,
            test_aberrations=0,
            normal_ratio=2.5,
            unlabelled=4,
        )

        assert params.num_crops == 3 + 8 + 1 + 2 + 4

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"val_slides": 0}, "val_aberrations needs val_slides"),
            ({"test_slides": 0}, "test_aberrations needs test_slides"),
            ({"normal_ratio": 1000}, f"makes 1 to {MAX_SIMULATED_CROPS}"),
            (
                {"train_aberrations": 0, "val_aberrations": 0, "test_aberrations": 0},
                "These are 0 crops",
            ),
            ({"preset": "impossible"}, "preset"),
        ],
    )
    def test_refuses_what_cannot_be_simulated(self, wrong: dict[str, Any], said: str) -> None:
        """The message says what is missing."""
        with pytest.raises(ValidationError, match=said):
            SimulationParams(name="s", **wrong)
