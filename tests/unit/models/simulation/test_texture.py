"""How paint looks on a chromosome."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.simulation.colours import body_of, levels_of
from models.simulation.texture import grain_field, log_shape, own_grain

Shapes = dict[str, NDArray[np.bool_]]
STILL = np.zeros(2)


def ramp(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """DAPI from 100 to 200 along the columns."""
    columns = np.linspace(100, 200, mask.shape[1])
    return np.where(mask, np.rint(columns), 0).astype(np.uint8)


class TestLogShape:
    @pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
    def test_paint_is_dapi_to_a_power(self, shapes: Shapes, exponent: float) -> None:
        """Relative to the level of both."""
        mask = shapes["rod"]
        dapi = ramp(mask)
        shape = log_shape(dapi, mask, 150.0, exponent, STILL)

        np.testing.assert_allclose(np.exp(shape), (dapi[mask] / 150.0) ** exponent, rtol=1e-6)

    def test_the_rim_fades_however_little_paint_follows_dapi(self, shapes: Shapes) -> None:
        """At a tenth of DAPI no paint is left to speak of."""
        mask = shapes["rod"]
        faint = np.where(mask, 15, 0).astype(np.uint8)

        assert np.exp(log_shape(faint, mask, 150.0, 0.0, STILL)).max() < 0.25

    def test_a_shift_moves_the_paint(self, shapes: Shapes) -> None:
        """By rows and columns, against a DAPI that stays."""
        mask = shapes["rod"]
        dapi = ramp(shapes["rod"])
        moved = np.zeros(mask.shape)
        moved[mask] = log_shape(dapi, mask, 150.0, 1.0, np.array([0.0, 2.0]))
        still = np.zeros(mask.shape)
        still[mask] = log_shape(dapi, mask, 150.0, 1.0, STILL)

        np.testing.assert_allclose(moved[20:28, 6:44], still[20:28, 4:42], atol=1e-6)


class TestOwnGrain:
    def test_is_what_dapi_does_not_explain(self, shapes: Shapes) -> None:
        """Paint in proportion to DAPI has none, a bright spot on it is one."""
        mask = shapes["rod"]
        body = body_of(mask)
        canvas = np.stack([ramp(mask), np.zeros_like(ramp(mask)), ramp(mask)])
        smooth = own_grain(canvas, mask, body, levels_of(canvas, body))
        canvas[0, 24, 24] = 250
        spotted = own_grain(canvas, mask, body, levels_of(canvas, body))

        assert smooth is not None
        assert spotted is not None
        assert np.abs(smooth).max() < 1e-9
        assert (24 - 20) * 40 + 20 == int(np.argmax(spotted))
        assert spotted.max() == pytest.approx(np.log(250 / canvas[2, 24, 24]), abs=0.02)

    def test_even_dapi_explains_nothing(self, shapes: Shapes) -> None:
        """A slope that cannot be measured is none."""
        mask = shapes["rod"]
        canvas = np.stack([ramp(mask), np.zeros_like(ramp(mask)), np.where(mask, 150, 0).astype(np.uint8)])
        grain = own_grain(canvas, mask, body_of(mask), levels_of(canvas, body_of(mask)))

        assert grain is not None
        assert np.ptp(grain) == pytest.approx(np.log(canvas[0][mask].max() / canvas[0][mask].min()))

    def test_a_crop_without_fluorescence_has_none(self, shapes: Shapes) -> None:
        """There is nothing to measure it on."""
        mask = shapes["rod"]
        canvas = np.zeros((3, 48, 48), np.uint8)

        assert own_grain(canvas, mask, body_of(mask), levels_of(canvas, mask)) is None


class TestGrainField:
    def test_has_the_grain_that_was_measured(self) -> None:
        """Variance 1, and the correlation between neighbours of real paint."""
        field = grain_field(512, np.random.default_rng(0))
        apart = [float((field[:, :-shift] * field[:, shift:]).mean()) for shift in (1, 2, 3, 4, 5, 6)]

        assert field.var() == pytest.approx(1.0, abs=0.06)
        np.testing.assert_allclose(apart, [0.91, 0.76, 0.61, 0.46, 0.35, 0.25], atol=0.08)

    def test_half_as_coarse_is_alike_over_half_the_distance(self) -> None:
        """On a canvas of half the scale a chromosome keeps its grain."""
        field = grain_field(512, np.random.default_rng(0), 0.5)
        apart = [float((field[:, :-shift] * field[:, shift:]).mean()) for shift in (1, 2, 3)]

        assert field.var() == pytest.approx(1.0, abs=0.1)
        np.testing.assert_allclose(apart, [0.76, 0.46, 0.25], atol=0.08)
