"""What the cards of all artifacts have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.pipelines.classifier_card import classifier_card
from services.pipelines.filter_card import filter_card
from services.pipelines.generator_card import generator_card


class TestSimulatedNote:
    @pytest.mark.parametrize("card", [classifier_card, generator_card, filter_card])
    def test_stands_under_the_title(self, card: Callable[[Mapping[str, Any]], str]) -> None:
        """Of what learnt from simulated crops, and of nothing else."""
        marked = card({"name": "net", "trained": True, "simulated": True})

        assert marked.split("\n\n")[1].startswith("**Simulated.**")
        assert "Simulated" not in card({"name": "net", "trained": True})
