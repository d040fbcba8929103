"""Diversity, and how a collapsed training is told from its curves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.cyclegan.collapse import collapse_of, colour_spread, relative_diversity

FAIR = {
    "discriminator_real_b": 0.6,
    "discriminator_fake_b": 0.4,
    "loss_discriminator_b": 0.22,
    "generated_diversity": 0.85,
}
WON = {"discriminator_real_b": 0.98, "discriminator_fake_b": 0.03, "loss_discriminator_b": 0.002}
ALIKE = {"generated_diversity": 0.08}


def painted(aberrations: NDArray[np.uint8], red: int, green: int) -> NDArray[np.uint8]:
    """The same chromosomes, all in one colour."""
    canvases = aberrations.copy()
    bodies = canvases[:, 2] > 0
    canvases[:, 0] = bodies * red
    canvases[:, 1] = bodies * green
    return canvases


def history(*ends: dict[str, float], start: dict[str, float] | None = None) -> list[dict[str, float]]:
    """Twelve records; the last ones, or all but those, are other than fair."""
    records = [FAIR | (start or {}) for _ in range(12 - len(ends))]
    return records + [FAIR | end for end in ends]


class TestColourSpread:
    def test_is_the_standard_deviation_over_chromosomes(self) -> None:
        """By hand: red's share is 0 and 1/2, green's 0 of both: the mean of 1/4 and 0."""
        canvases = np.zeros((2, 3, 8, 8), np.uint8)
        canvases[:, 2, 1:3, 1:3] = 100
        canvases[1, 0, 1:3, 1:3] = 100

        assert 0.125 == pytest.approx(colour_spread(canvases, canvases[:, 2] > 0))

    def test_does_not_count_shapes_and_brightness(self, aberrations: NDArray[np.uint8]) -> None:
        """Chromosomes of one colour are alike, wherever they lie and however bright they are."""
        alike = painted(aberrations, 120, 60)
        alike[::2] //= 2

        assert 0.0 == pytest.approx(colour_spread(alike, aberrations[:, 2] > 0), abs=1e-7)

    def test_does_not_count_noise(self, aberrations: NDArray[np.uint8]) -> None:
        """A noisy painting is as poor as a smooth one."""
        noisy = painted(aberrations, 200, 100)
        bodies = noisy[:, 2] > 0
        noise = np.random.default_rng(0).integers(-50, 50, noisy[:, :2].shape) * bodies[:, None]
        noisy[:, :2] = (noisy[:, :2] + noise).clip(0, 255)

        assert colour_spread(noisy, bodies) < 0.1 * colour_spread(aberrations, bodies)

    def test_of_black_canvases_is_nothing(self) -> None:
        """There is no light to share out."""
        assert 0.0 == colour_spread(np.zeros((2, 3, 8, 8), np.uint8), np.ones((2, 8, 8), np.bool_))


class TestRelativeDiversity:
    def test_of_the_real_ones_is_one(self, aberrations: NDArray[np.uint8]) -> None:
        """They are the unit."""
        assert 1.0 == pytest.approx(relative_diversity(aberrations, aberrations))

    def test_of_one_painting_for_all_is_nothing(self, aberrations: NDArray[np.uint8]) -> None:
        """That is what collapses."""
        one_colour = painted(aberrations, 240, 10)

        assert 0.0 == pytest.approx(relative_diversity(one_colour, aberrations), abs=1e-6)

    def test_is_taken_where_the_chromosomes_lie(self, aberrations: NDArray[np.uint8]) -> None:
        """That is told by the source: what is painted beside them does not count."""
        spilled = aberrations.copy()
        beside = np.broadcast_to(aberrations[:, 2:] == 0, spilled.shape)
        spilled[beside] = np.random.default_rng(0).integers(0, 255, int(beside.sum()))

        assert 1.0 == pytest.approx(relative_diversity(spilled, aberrations))

    def test_of_what_has_none_cannot_be_lost(self, aberrations: NDArray[np.uint8]) -> None:
        """Real ones that are all alike, or a single one, give no verdict."""
        one_colour = painted(aberrations, 200, 0)

        assert 1.0 == relative_diversity(one_colour, one_colour)
        assert 1.0 == relative_diversity(aberrations[:1], aberrations[:1])


class TestCollapseOf:
    def test_a_fair_training_did_not(self) -> None:
        """Nothing is said."""
        assert collapse_of(history()) is None

    def test_the_discriminator_may_win(self) -> None:
        """The sentence tells its judgements."""
        told = collapse_of(history(WON, WON, WON))

        assert told is not None
        assert told.startswith("The discriminator of colours won: it judges 0.98 of real and 0.03 of")

    def test_the_generator_may_paint_alike(self) -> None:
        """The sentence tells how diverse it is."""
        told = collapse_of(history(ALIKE, ALIKE, ALIKE))

        assert told is not None
        assert told.startswith("The generator paints alike: its colours differ 0.08 times")

    def test_both_may_happen(self) -> None:
        """In one sentence."""
        told = collapse_of(history(*[WON | ALIKE] * 3))

        assert told is not None
        assert "discriminator of colours won" in told
        assert "paints alike" in told
        assert 1 == told.count(". ") + told.endswith(".")

    @pytest.mark.parametrize("name", sorted(FAIR))
    def test_every_curve_counts(self, name: str) -> None:
        """The discriminator's victory needs both judgements and the loss; diversity stands alone."""
        lost = WON | ALIKE
        told = collapse_of(history(*[lost | {name: FAIR[name]}] * 3))

        assert told is not None
        assert ("won" in told) == (name == "generated_diversity")

    def test_a_bad_start_is_forgiven(self) -> None:
        """Untrained generators paint everything grey."""
        assert collapse_of(history(FAIR, FAIR, FAIR, start=WON | ALIKE)) is None

    def test_one_bad_record_is_forgiven(self) -> None:
        """The median of the last quarter counts."""
        assert collapse_of(history(FAIR, WON | ALIKE, FAIR)) is None

    def test_a_short_history_tells_nothing(self) -> None:
        """Its end is its beginning."""
        assert collapse_of(history(*[WON] * 12)[:7]) is None
        assert collapse_of([]) is None
