"""What may become the default of samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.artifacts.promotion import PromotionRefusedError, check_promotion
from services.artifacts.types import ArtifactVersion

PREPROCESSING = {"canvas_px": 64, "scale": 1.6, "background": "zero"}


def version(kind: str = "classifier", **manifest: Any) -> ArtifactVersion:
    """Return a version with this manifest."""
    return ArtifactVersion(kind, "net", 3, manifest, {}, "0" * 64, 1, None, datetime.now(UTC))


def figures(*aberrations: int) -> dict[str, Any]:
    """Figures of a split with so many aberrations in each slide."""
    return {"groups": [{"group": f"S{i}", "aberrations": number} for i, number in enumerate(aberrations)]}


def measured(aberrations: int, normals: int) -> dict[str, Any]:
    """Manifest of a filter that was measured on so many validation crops, none of which anybody knew."""
    held_out = {"aberration": aberrations, "normal": normals}
    return {
        "metrics": {"rows": {"validation": held_out}},
        "fit": {"classifier_saw": {"train": ["S1"], "val": []}},
    }


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
        check_promotion(version("filter"), "candidate")
        check_promotion(version("segmenter"), "production")

    def test_has_no_meaning_for_a_study(self) -> None:
        """A report is read; it may be called anything else."""
        check_promotion(version("study"), "published")

        with pytest.raises(PromotionRefusedError, match="net/3 is a study"):
            check_promotion(version("study"), "production")


class TestGenerators:
    @pytest.mark.parametrize(
        "manifest",
        [
            {"preprocessing": PREPROCESSING},
            {"preprocessing": PREPROCESSING, "metrics": None, "imported": {"preprocessing_stated": True}},
        ],
    )
    def test_need_no_figures(self, manifest: dict[str, Any]) -> None:
        """Every generation job judges what they make."""
        check_promotion(version("generator", **manifest), "production")

    @pytest.mark.parametrize(
        "manifest",
        [
            {},
            {"preprocessing": PREPROCESSING, "imported": {"preprocessing_stated": False}},
            {"preprocessing": PREPROCESSING, "imported": {"filename": "latest_model.pth"}},
        ],
    )
    def test_need_a_scale_that_somebody_stated(self, manifest: dict[str, Any]) -> None:
        """A guess may be tried under another name, but not become everybody's."""
        check_promotion(version("generator", **manifest), "candidate")

        with pytest.raises(PromotionRefusedError, match="canvas_px and scale"):
            check_promotion(version("generator", **manifest), "production")


class TestFilters:
    def test_that_were_measured_are_taken(self) -> None:
        """On held-out crops of both classes; one of each is the least."""
        check_promotion(version("filter", **measured(1, 1)), "production")

    @pytest.mark.parametrize(
        ("manifest", "missing"),
        [
            ({}, "aberration and normal"),
            ({"metrics": None, "fit": None}, "aberration and normal"),
            ({"metrics": {"rows": {"train": {"aberration": 9, "normal": 9}}}}, "aberration and normal"),
        ],
    )
    def test_that_nobody_measured_are_refused(self, manifest: dict[str, Any], missing: str) -> None:
        """The message says which crops are missing, and what to do."""
        with pytest.raises(PromotionRefusedError, match=f"{missing} crops. Fit it on a data set"):
            check_promotion(version("filter", **manifest), "production")

    @pytest.mark.parametrize(("counts", "missing"), [((0, 5), "aberration"), ((5, 0), "normal")])
    def test_need_both_classes(self, counts: tuple[int, int], missing: str) -> None:
        """Who keeps all aberrations may keep all normal crops, too."""
        with pytest.raises(PromotionRefusedError, match=f"held-out {missing} crops"):
            check_promotion(version("filter", **measured(*counts)), "production")

    def test_need_crops_that_the_classifier_had_not_seen(self) -> None:
        """What it learnt from is held out from nothing."""
        manifest = measured(5, 5) | {"fit": {"classifier_saw": {"train": ["S1"], "val": ["S2"]}}}

        with pytest.raises(PromotionRefusedError, match="validation crops of S2"):
            check_promotion(version("filter", **manifest), "production")


class TestSimulated:
    @pytest.mark.parametrize(
        ("kind", "manifest"),
        [
            ("classifier", {"trained": True, "metrics": {"test": figures(5)}}),
            ("generator", {"preprocessing": PREPROCESSING}),
            ("filter", measured(5, 5)),
        ],
    )
    def test_never_becomes_production(self, kind: str, manifest: dict[str, Any]) -> None:
        """However good its figures are; without the mark it may, and so may another alias."""
        check_promotion(version(kind, **manifest), "production")
        check_promotion(version(kind, **manifest, simulated=True), "candidate")

        with pytest.raises(PromotionRefusedError, match="learnt from simulated crops"):
            check_promotion(version(kind, **manifest, simulated=True), "production")
