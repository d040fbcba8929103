"""Knobs of the simulator."""

from __future__ import annotations

import json

import pytest

from models.simulation.difficulty import PRESETS, Difficulty, DifficultyError


class TestDifficulty:
    def test_comes_back_from_json(self) -> None:
        """A manifest keeps all of it."""
        for preset in PRESETS.values():
            assert preset == Difficulty.from_json(json.loads(json.dumps(preset.to_json())))

    def test_what_is_not_named_keeps_its_default(self) -> None:
        """The defaults are those of medium."""
        assert PRESETS["medium"] == Difficulty.from_json({})
        assert Difficulty(noise=3.0) == Difficulty.from_json({"noise": 3})

    def test_presets_grow_harder(self) -> None:
        """In every knob that is a number."""
        easy, medium, hard = (PRESETS[name] for name in ("easy", "medium", "hard"))

        for knob in ("bleed_through", "noise", "overlap", "blur_px", "slide_spread"):
            assert getattr(easy, knob) < getattr(medium, knob) < getattr(hard, knob)

    def test_refuses_an_unknown_knob(self) -> None:
        """The message lists the known ones."""
        with pytest.raises(DifficultyError, match=r"\['luck'\]; known: bleed_through, noise"):
            Difficulty.from_json({"luck": 1})

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"noise": -1}, "noise must be a number within 0 to 100"),
            ({"noise": float("nan")}, "noise must be a number"),
            ({"noise": "loud"}, "noise cannot be 'loud'"),
            ({"junction": [0.6, 0.4]}, "junction must be a range"),
            ({"junction": 0.5}, "junction cannot be 0.5"),
            ({"overlap": 1.5}, "overlap must be"),
            ({"overlap_share": [0.0, 0.9]}, "within 0 to 0.6"),
        ],
    )
    def test_refuses_what_nothing_can_be_simulated_with(self, wrong: dict[str, object], said: str) -> None:
        """The message names the knob and what it may be."""
        with pytest.raises(DifficultyError, match=said):
            Difficulty.from_json(wrong)
