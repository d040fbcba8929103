from __future__ import annotations

from typing import Any

import pytest

from client.figures import Figure, figures_of

LEVEL = {
    "count": 100,
    "aberrations": 7,
    "precision": {"value": 0.5, "low": 0.25, "high": 0.75},
    "recall": {"value": None},
    "f1": {"value": 0.625},
}


class TestFiguresOf:
    def test_reads_each_split_per_crop_and_per_chromosome(self) -> None:
        """With the splits' names in words."""
        rows = list(figures_of({"val": {"crops": LEVEL, "chromosomes": LEVEL}, "test": {"crops": LEVEL}}))

        assert [(row.split, row.unit) for row in rows] == [
            ("validation", "crops"),
            ("validation", "chromosomes"),
            ("test", "crops"),
        ]
        assert (rows[0].count, rows[0].aberrations) == (100, 7)

    def test_what_is_undefined_stays_so(self) -> None:
        """Null, a missing interval and a missing figure are no numbers."""
        (row,) = figures_of({"test": {"crops": LEVEL}})

        assert (row.recall, row.average_precision) == (Figure(), Figure())
        assert row.f1 == Figure(0.625)

    @pytest.mark.parametrize("metrics", [None, {}, [], {"ap_50": 0.9}, {"val": None}, {"val": {"crops": 1}}])
    def test_other_manifests_have_none(self, metrics: Any) -> None:
        """A segmenter's metrics, or none at all, are no reason to fail."""
        assert list(figures_of(metrics)) == []


class TestFigure:
    @pytest.mark.parametrize(
        ("figure", "text"),
        [
            (Figure(0.914, 0.8, 0.96), "0.91 (0.80 to 0.96)"),
            (Figure(0.914), "0.91"),
            (Figure(), "-"),
        ],
    )
    def test_is_short(self, figure: Figure, text: str) -> None:
        """Two decimals, and the interval where there is one."""
        assert text == str(figure)
