from __future__ import annotations

from typing import Any

import pytest

from client.demo.trust import trust_of
from client.records import ArtifactVersion

LEVEL = {"count": 90, "aberrations": 9}


def version(**manifest: Any) -> ArtifactVersion:
    """A classifier with this manifest."""
    return ArtifactVersion(kind="classifier", name="translocation", version=3, manifest=manifest)


class TestTrustOf:
    def test_says_what_it_learnt_from(self) -> None:
        """Data set, crops per class, slides."""
        told = version(
            dataset={"name": "adir", "version": 1},
            training={"normal": 6371, "aberration": 233, "groups": ["A06", "A20"]},
        )

        assert trust_of(told, ()).learnt_from == (
            "data set adir/1 (6371 normal and 233 aberrant crops; slides A06, A20)"
        )

    def test_warns_where_the_slides_shown_had_a_part(self) -> None:
        """In training, or in choosing the threshold; others prove something, so nothing is said."""
        told = version(training={"groups": ["A06"]}, held_out_groups={"val": ["A23"], "test": ["A02"]})

        seen = trust_of(told, ["A06", "A23", "A23", "A02"]).seen

        assert "It learnt from slide A06 shown here" in seen
        assert "did not learn from slide A23 shown here" in seen
        assert "A02" not in seen

    @pytest.mark.parametrize(
        ("splits", "split"), [(["val", "test"], "test"), (["val", "left_out"], "validation")]
    )
    def test_the_test_split_counts_most(self, splits: list[str], split: str) -> None:
        """Where it was looked at."""
        headline = trust_of(version(metrics={name: {"crops": LEVEL} for name in splits}), ()).headline

        assert headline is not None
        assert (headline.split, headline.unit) == (split, "crops")

    def test_a_manifest_may_tell_nothing(self) -> None:
        """A page can be made of it all the same, and says so."""
        trust = trust_of(version(metrics=None, dataset=None), ["A23"])

        assert (trust.headline, trust.seen) == (None, "")
        assert trust.learnt_from == "data that its manifest does not name"
