from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from models.manifold.arithmetic import exp, exp2, log2

Numbers = NDArray[np.floating]
LARGEST = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).tiny


def over(function: Callable[..., float]) -> Callable[[Numbers], Numbers]:
    """Compile a loop over an array, which the compiler turns into lanes and a rest."""

    @njit(error_model="numpy")
    def loop(numbers: Numbers, out: Numbers) -> None:
        for i in range(numbers.shape[0]):
            out[i] = function(numbers[i])

    def all_of(numbers: Numbers) -> Numbers:
        out = np.empty_like(numbers)
        loop(numbers, out)
        return out

    return all_of


@pytest.fixture(scope="module")
def log2s() -> Callable[[Numbers], Numbers]:
    return over(log2)


@pytest.fixture(scope="module")
def exp2s() -> Callable[[Numbers], Numbers]:
    return over(exp2)


@pytest.fixture(scope="module")
def exps() -> Callable[[Numbers], Numbers]:
    return over(exp)


def positive(count: int) -> NDArray[np.float32]:
    """Normal numbers of every size."""
    exponents = np.random.default_rng(0).uniform(-125.9, 127.9, count)
    return np.exp2(exponents).astype(np.float32)


class TestLog2:
    def test_numbers_of_every_size_are_close_to_numpy(self, log2s: Callable[[Numbers], Numbers]) -> None:
        """The error is below 2e-7 of the logarithm, or of one where that is smaller."""
        numbers = positive(200_000)
        expected = np.log2(numbers.astype(np.float64))

        errors = np.abs(log2s(numbers) - expected) / np.maximum(np.abs(expected), 1.0)

        assert errors.max() < 2e-7

    def test_numbers_next_to_one_keep_their_digits(self, log2s: Callable[[Numbers], Numbers]) -> None:
        """Their logarithms are small, and right to a few units of their own last place."""
        numbers = (1.0 + np.random.default_rng(1).uniform(-1e-2, 1e-2, 50_000)).astype(np.float32)
        numbers = numbers[numbers != 1.0]
        expected = np.log2(numbers.astype(np.float64))

        assert np.abs(log2s(numbers) / expected - 1.0).max() < 1e-6

    def test_powers_of_two_are_exact(self, log2s: Callable[[Numbers], Numbers]) -> None:
        """From the smallest normal number to the largest power."""
        powers = np.arange(-126, 128)

        assert (powers == log2s(np.ldexp(np.float32(1.0), powers).astype(np.float32))).all()

    @pytest.mark.parametrize("number", [0.0, -0.0, -1.0, 1e-45, SMALLEST / 2, -np.inf])
    def test_what_is_not_positive_and_normal_counts_as_the_smallest(self, number: float) -> None:
        """Two points that meet give a finite force."""
        assert log2(np.float32(number)) == -126.0

    def test_the_largest_number_has_a_logarithm(self) -> None:
        """Just below 128, which rounds up."""
        assert log2(np.float32(LARGEST)) == 128.0


class TestExp2:
    def test_exponents_of_every_size_are_close_to_numpy(self, exp2s: Callable[[Numbers], Numbers]) -> None:
        """The relative error is below 2e-7."""
        exponents = np.random.default_rng(2).uniform(-126, 126, 200_000).astype(np.float32)
        expected = np.exp2(exponents.astype(np.float64))

        assert np.abs(exp2s(exponents) / expected - 1.0).max() < 2e-7

    def test_whole_exponents_are_exact(self, exp2s: Callable[[Numbers], Numbers]) -> None:
        """A shift of bits, no rounding."""
        exponents = np.arange(-126, 127).astype(np.float32)

        assert (np.exp2(exponents) == exp2s(exponents)).all()

    @pytest.mark.parametrize(
        ("exponent", "limit"), [(1e30, 126), (np.inf, 126), (-127, -126), (-np.inf, -126)]
    )
    def test_exponents_beyond_the_range_stop_at_its_ends(self, exponent: float, limit: int) -> None:
        """Neither infinity nor zero comes out."""
        assert exp2(np.float32(exponent)) == 2.0**limit


class TestExp:
    def test_exponents_of_every_size_are_close_to_numpy(self, exps: Callable[[Numbers], Numbers]) -> None:
        """The relative error is below 3e-16 of the exponent, or of one where that is smaller."""
        exponents = np.random.default_rng(3).uniform(-700, 700, 200_000)

        errors = np.abs(exps(exponents) / np.exp(exponents) - 1.0) / np.maximum(np.abs(exponents), 1.0)

        assert errors.max() < 3e-16

    def test_exponents_of_memberships_are_close_to_the_last_place(
        self, exps: Callable[[Numbers], Numbers]
    ) -> None:
        """Between 0 and -20, where strengths that matter lie."""
        exponents = np.random.default_rng(4).uniform(-20, 0, 100_000)

        assert np.abs(exps(exponents) / np.exp(exponents) - 1.0).max() < 1e-15

    def test_zero_gives_one(self) -> None:
        """A neighbour at no distance belongs wholly."""
        assert exp(0.0) == exp(-0.0) == 1.0

    @pytest.mark.parametrize(
        ("exponent", "limit"), [(1e300, 700), (np.inf, 700), (-701, -700), (-np.inf, -700)]
    )
    def test_exponents_beyond_the_range_stop_at_its_ends(self, exponent: float, limit: int) -> None:
        """Neither infinity nor zero comes out."""
        assert exp(float(exponent)) == pytest.approx(np.exp(float(limit)), rel=1e-14)


class TestPlaces:
    @pytest.mark.parametrize("name", ["log2s", "exp2s", "exps"])
    def test_a_number_gives_the_same_bits_at_any_place_of_any_array(
        self, name: str, request: pytest.FixtureRequest
    ) -> None:
        """The lanes of a loop round as its rest does, and as one call alone."""
        function = request.getfixturevalue(name)
        numbers = positive(131)
        if name == "exp2s":
            numbers = np.log2(numbers)
        if name == "exps":
            numbers = np.log2(numbers).astype(np.float64) * 5.0
        expected = function(numbers)

        for start in (0, 1, 5, 64):
            for stop in range(start + 1, len(numbers) + 1):
                assert (expected[start:stop] == function(numbers[start:stop].copy())).all()
        assert (expected[::-1] == function(numbers[::-1].copy())).all()

    def test_a_call_from_python_gives_the_same_bits(
        self, log2s: Callable[[Numbers], Numbers], exp2s: Callable[[Numbers], Numbers]
    ) -> None:
        """Compiled alone, without a loop around it."""
        numbers = positive(200)
        exponents = np.log2(numbers)

        assert log2s(numbers).tolist() == [log2(number) for number in numbers]
        assert exp2s(exponents).tolist() == [exp2(exponent) for exponent in exponents]
