"""What is told before a study is started."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.datasets.types import DatasetItem, DatasetVersion
from services.jobs.params import StudyParams
from services.studies.advice import warnings_of
from services.studies.planning import planned
from tests.support.study_items import SOUND


def told(items: list[DatasetItem], earlier: tuple[str, ...] = (), **manifest: Any) -> list[str]:
    """Return the warnings of a full study."""
    return told_of(StudyParams(name="s", dataset="d/1"), items, earlier, **manifest)


def told_of(
    params: StudyParams, items: list[DatasetItem], earlier: tuple[str, ...] = (), **manifest: Any
) -> list[str]:
    """Return the warnings of some study."""
    dataset = DatasetVersion("d", 1, "0" * 64, "import", manifest, {}, datetime.now(UTC))
    return warnings_of(params, dataset, items, planned(params, dataset.sha256, items, {}).plan, earlier)


class TestWarnings:
    def test_none_of_a_sound_study(self) -> None:
        """Two test slides, unlabelled crops to generate from, and nobody has looked at the test split."""
        assert [] == told(SOUND)

    def test_quick_proves_nothing(self) -> None:
        """Before it starts, and not only in its report."""
        (text,) = told_of(StudyParams(name="s", dataset="d/1", size="quick"), SOUND)

        assert "prove nothing" in text

    def test_simulated_data(self) -> None:
        """They are told from the data set's manifest."""
        (text,) = told(SOUND, simulated=True)

        assert "simulated" in text

    @pytest.mark.parametrize(("number", "more"), [(1, ""), (7, " and 2 more")])
    def test_earlier_looks_at_the_test_split(self, number: int, more: str) -> None:
        """All are counted, and some named."""
        (text,) = told(SOUND, tuple(f"s/{index}" for index in range(1, number + 1)))

        assert f"s/{min(number, 5)}{more}. Whoever" in text

    def test_one_test_slide(self) -> None:
        """Then nothing is known of the next slide."""
        (text,) = told([one for one in SOUND if one.group != "u"])

        assert "test split of the condition 'all' are from one slide" in text

    def test_test_split_without_a_class(self) -> None:
        """There is nothing to score."""
        lacking = [one for one in SOUND if (one.split, one.item_class) != ("test", "aberration")]

        assert ["The test split of the condition 'all' has no aberration crops"] == [
            text.partition(":")[0] for text in told(lacking)
        ]

    def test_left_out_slides_are_judged_too(self) -> None:
        """Each condition has its own held-out crops."""
        params = StudyParams(name="s", dataset="d/1", leave_out={"line": ("b",)})
        (text,) = told_of(params, SOUND)

        assert "left out split of the condition 'without-line'" in text

    def test_no_unlabelled_crops(self) -> None:
        """Synthetic crops then share their DAPI with training normals."""
        (text,) = told([one for one in SOUND if one.item_class != "unlabelled"])

        assert "no unlabelled crops" in text

    def test_no_unlabelled_crops_do_no_harm_without_synthetic_ones(self) -> None:
        """Nothing is made of anything."""
        params = StudyParams(name="s", dataset="d/1", arms=("real", "augmented"))

        assert [] == told_of(params, [one for one in SOUND if one.item_class != "unlabelled"])
