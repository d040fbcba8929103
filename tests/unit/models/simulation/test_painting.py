"""Parameters of the painter."""

from __future__ import annotations

import json

import pytest

from models.simulation.painting import Painting, PaintingError


class TestPainting:
    def test_comes_back_from_json(self) -> None:
        """A manifest keeps all of it."""
        painting = Painting(position=(0.3, 0.4), second_colours={"red": 1.0, "none": 2.0}, three_parts=0.0)

        assert painting == Painting.from_json(json.loads(json.dumps(painting.to_json())))

    def test_what_is_not_named_keeps_its_default(self) -> None:
        """A request may give one parameter alone."""
        assert Painting(bleed=(0.1, 0.2)) == Painting.from_json({"bleed": [0.1, 0.2]})

    def test_refuses_an_unknown_parameter(self) -> None:
        """The message lists the known ones."""
        with pytest.raises(PaintingError, match=r"\['blood'\]; known: position, .*bleed"):
            Painting.from_json({"blood": [0, 1]})

    def test_refuses_an_unknown_colour(self) -> None:
        """The message lists the known ones."""
        with pytest.raises(PaintingError, match=r"\['blue'\]; known: none, red, green, yellow"):
            Painting(second_colours={"blue": 1.0, "red": 1.0})

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"position": [0.6, 0.4]}, "position must be a range"),
            ({"position": [0.5, 1.5]}, "within 0 to 1"),
            ({"sharpness_px": [0.0, 1.0]}, "sharpness_px must be"),
            ({"angle_deg": [float("nan"), 1.0]}, "angle_deg must be"),
            ({"bleed": 0.5}, "bleed cannot be 0.5"),
            ({"bleed": [0.1]}, "bleed cannot be"),
            ({"end_px": -1}, "end_px must be 0 or more"),
            ({"end_px": float("inf")}, "end_px must be 0 or more"),
            ({"least_step": 255}, "least_step must be"),
            ({"least_step": -1}, "least_step must be"),
            ({"three_parts": 1.5}, "probability"),
            ({"grain_scale": 0}, "grain_scale must be above 0"),
            ({"grain_scale": float("nan")}, "grain_scale must be above 0"),
            ({"three_parts": "often"}, "three_parts cannot be 'often'"),
            ({"second_colours": {"red": 1.0}}, "At least two colours"),
            ({"second_colours": {"red": -1.0, "none": 1.0}}, "must be 0 or more"),
            ({"second_colours": ["red"]}, "second_colours cannot be"),
        ],
    )
    def test_refuses_what_nothing_can_be_painted_with(self, wrong: dict[str, object], said: str) -> None:
        """The message names the parameter and what it may be."""
        with pytest.raises(PaintingError, match=said):
            Painting.from_json(wrong)


class TestScaled:
    def test_lengths_follow_and_levels_stay(self) -> None:
        """A junction as blurred relative to the chromosome as before."""
        painting = Painting()
        half = painting.scaled(0.5)

        assert (half.end_px, half.sharpness_px, half.misregistration_px) == (3.0, (0.6, 2.25), (0.0, 0.5))
        assert half.grain_scale == 0.5
        assert half.scaled(2.0) == painting

    def test_by_one_changes_nothing(self) -> None:
        """The defaults stay what was measured."""
        assert Painting().scaled(1.0) == Painting()

    @pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
    def test_refuses_what_is_no_scale(self, factor: float) -> None:
        """The message names it."""
        with pytest.raises(PaintingError, match="a factor above 0"):
            Painting().scaled(factor)

    def test_refuses_to_leave_the_limits(self) -> None:
        """A junction sharper than any that can be drawn."""
        with pytest.raises(PaintingError, match="sharpness_px must be"):
            Painting().scaled(0.01)
