"""What may become the default of samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.artifacts.promotion import PromotionRefusedError, check_promotion
from services.artifacts.types import ArtifactVersion


def version(kind: str = "classifier", **manifest: Any) -> ArtifactVersion:
    """Return a version with this manifest."""
    return ArtifactVersion(kind, "net", 3, manifest, {}, "0" * 64, 1, None, datetime.now(UTC))


def figures(*aberrations: int) -> dict[str, Any]:
    """Figures of a split with so many aberrations in each slide."""
    return {"groups": [{"group": f"S{i}", "aberrations": number} for i, number in enumerate(aberrations)]}


class TestPromotion:
    @pytest.mark.parametrize("split", ["val", "test"])
    def test_takes_a_classifier_that_was_measured(self, split: str) -> None:
        """One held-out slide with an aberration is the least."""
        check_promotion(version(trained=True, metrics={split: figures(0, 1)}), "production")

    @pytest.mark.parametrize(
        ("manifest", "message"),
        [
            ({"trained": False, "metrics": None}, "starting point"),
            ({}, "starting point"),
            ({"trained": True, "metrics": None}, "held-out slides"),
            ({"trained": True, "metrics": {}}, "held-out slides"),
            ({"trained": True, "metrics": {"val": figures(0, 0)}}, "held-out slides"),
            ({"trained": True, "metrics": {"left_out": figures(5)}}, "held-out slides"),
        ],
    )
    def test_refuses_one_that_was_not(self, manifest: dict[str, Any], message: str) -> None:
        """The message says what to do."""
        with pytest.raises(PromotionRefusedError, match=message):
            check_promotion(version(**manifest), "production")

    def test_leaves_other_aliases_and_kinds_alone(self) -> None:
        """A lab may call its experiments what it likes."""
        check_promotion(version(), "candidate")
        check_promotion(version("segmenter"), "production")
