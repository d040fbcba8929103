"""Which trained generators a study may use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from models.classification.preprocessing import Preprocessing
from models.study.conditions import Condition
from models.study.sizes import SIZES
from services.artifacts.types import ArtifactVersion
from services.errors import InvalidInputError
from services.studies.generators import check_generators, digests_of, refs_of
from tests.support.study_items import item

SETTINGS = SIZES["quick"]
ALL = Condition("all", "All")
WITHOUT_B = Condition("without-b", "Without b", ("b",))
FEW = Condition("aberrations-5", "5 aberrations", max_aberrations=5)
MANIFEST: dict[str, Any] = {
    "method": "bbdm",
    "trained": True,
    "preprocessing": Preprocessing(SETTINGS.canvas_px, SETTINGS.scale).to_json(),
    "training": {"groups": ["a", "b"], "aberrations": 40},
}


ITEMS = [item("a", "train"), item("b", "train"), item("v", "val"), item("t", "test")]


def version(**changes: Any) -> ArtifactVersion:
    """Return a generator with this manifest."""
    manifest = MANIFEST | changes
    return ArtifactVersion("generator", "bridge", 2, manifest, {}, "d" * 64, 1, None, datetime.now(UTC))


def check(found: ArtifactVersion, condition: Condition = ALL, method: str = "bbdm") -> None:
    """Check a generator for one condition."""
    check_generators({condition.name: {method: found}}, [ALL, WITHOUT_B, FEW], ITEMS, SETTINGS)


class TestChecks:
    def test_take_what_learnt_from_training_slides(self) -> None:
        """All of them, or some."""
        check(version())
        check(version(training={"groups": ["a"], "aberrations": 5}), WITHOUT_B)
        check(version(training={"groups": ["a"], "aberrations": 5}), FEW)

    @pytest.mark.parametrize("slide", ["v", "t", "elsewhere"])
    def test_refuse_what_knows_more(self, slide: str) -> None:
        """Held-out slides, and slides that nobody can compare with these, would leak into training."""
        with pytest.raises(InvalidInputError, match=f"learnt from {slide}, and the condition 'all'"):
            check(version(training={"groups": ["a", slide], "aberrations": 9}))

    def test_refuse_what_knows_a_left_out_slide(self) -> None:
        """It may be used for the whole data set, and not for the condition that leaves the slide out."""
        with pytest.raises(InvalidInputError, match="learnt from b, and the condition 'without-b'"):
            check(version(), WITHOUT_B)

    @pytest.mark.parametrize("training", [None, {}, {"groups": []}])
    def test_refuse_what_nobody_knows_of(self, training: dict[str, Any] | None) -> None:
        """As of weights that were imported without their history."""
        with pytest.raises(InvalidInputError, match="slides that its manifest does not name"):
            check(version(training=training))

    @pytest.mark.parametrize("aberrations", [6, None])
    def test_refuse_too_many_aberrations(self, aberrations: int | None) -> None:
        """A learning curve would be flat."""
        with pytest.raises(InvalidInputError, match="more aberrations than the 5"):
            check(version(training={"groups": ["a"], "aberrations": aberrations}), FEW)

    def test_refuse_another_method(self) -> None:
        """A bridge does not stand for a CycleGAN."""
        with pytest.raises(InvalidInputError, match="of method bbdm, not cyclegan"):
            check(version(), method="cyclegan")

    def test_refuse_a_starting_point(self) -> None:
        """It has learnt nothing yet."""
        with pytest.raises(InvalidInputError, match="starting point"):
            check(version(trained=False))

    @pytest.mark.parametrize(
        ("preprocessing", "told"),
        [
            ({"canvas_px": 64, "scale": 1.6, "background": "zero"}, "canvas_px 64"),
            ({**MANIFEST["preprocessing"], "background": "keep"}, "background keep"),
            (None, "nobody said which"),
        ],
    )
    def test_refuse_another_canvas(self, preprocessing: dict[str, Any] | None, told: str) -> None:
        """Both are told, so that one of them can be changed."""
        with pytest.raises(InvalidInputError, match=f"{told}.*canvas_px 32.*Set canvas_px and scale"):
            check(version(preprocessing=preprocessing))


class TestWhatIsKept:
    def test_exact_versions_and_digests(self) -> None:
        """A job keeps the reference; a step's key depends on the content."""
        found = {"all": {"bbdm": version()}}

        assert {"all": {"bbdm": "bridge/2"}} == refs_of(found)
        assert {"all": {"bbdm": "d" * 64}} == digests_of(found)
