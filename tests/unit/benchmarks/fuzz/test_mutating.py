from __future__ import annotations

from random import Random

import pytest

from benchmarks.fuzz.mutating import STRUCTURAL, form_of, mutate
from benchmarks.fuzz.seeds import jpeg_seeds, manifest_seeds, png_seeds, rule_seeds, tiff_seeds, zip_seeds
from benchmarks.fuzz.weight_fields import change_safetensors

SEEDS = {
    "tiff": tiff_seeds()[0],
    "png": png_seeds()[2],
    "jpeg": jpeg_seeds()[1],
    "zip": zip_seeds()[0],
    "json": rule_seeds()[0],
    "csv": manifest_seeds()[0],
}
MAX_BYTES = 100_000
EMPTY_WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"


class TestMutate:
    @pytest.mark.parametrize("form", SEEDS)
    def test_the_same_seed_gives_the_same_bytes(self, form: str) -> None:
        """A run can be repeated, input by input, and its inputs differ."""
        corpus = [SEEDS[form]]

        first = [mutate(corpus[0], corpus, Random(f"1 {number}")) for number in range(40)]
        again = [mutate(corpus[0], corpus, Random(f"1 {number}")) for number in range(40)]

        assert first == again
        assert len(set(first)) > 30

    @pytest.mark.parametrize("form", SEEDS)
    def test_knows_its_formats(self, form: str) -> None:
        """Each format is told by its first bytes, so that its fields are changed and not only its bytes."""
        assert form == form_of(SEEDS[form])

    @pytest.mark.parametrize("form", SEEDS)
    def test_survives_its_own_changes(self, form: str) -> None:
        """Fields are found in whatever earlier changes left."""
        data, rng = SEEDS[form], Random(3)

        for _ in range(60):
            data = STRUCTURAL[form](data, rng)[:MAX_BYTES] or SEEDS[form]

        assert data != SEEDS[form]

    def test_headers_of_weights_are_json(self) -> None:
        """A header that was changed has its own length, most of the time."""
        changed = {change_safetensors(EMPTY_WEIGHTS, Random(number)) for number in range(20)}

        assert any(len(one) - 8 == int.from_bytes(one[:8], "little") for one in changed - {EMPTY_WEIGHTS})
