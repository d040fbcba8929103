"""The arms of a study: which there are, and what each needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.study.arms import ALL_ARMS, ARMS, FILTERS, GENERATORS, PAPERS_ARM, REFERENCE, arms_of


class TestArms:
    def test_every_name_has_an_arm(self) -> None:
        """In the order of the tables, each under its own name."""
        assert list(ALL_ARMS) == list(ARMS) == [arm.name for arm in ARMS.values()]

    def test_no_two_are_alike(self) -> None:
        """Neither in what they do nor in what they are called."""
        ways = {replace(arm, name="real", title="") for arm in ARMS.values()}

        assert len(ARMS) == len(ways) == len({arm.title for arm in ARMS.values()})

    def test_the_reference_is_real_crops_with_augmentation(self) -> None:
        """It has no remedy and no synthetic crop."""
        reference = ARMS[REFERENCE]

        assert (True, "none", ()) == (reference.augmented, reference.remedy, reference.synthetic)

    def test_the_papers_arm_adds_filtered_bridge_crops_alone(self) -> None:
        """It differs from the reference in nothing else."""
        added = {"name": REFERENCE, "title": ARMS[REFERENCE].title, "synthetic": (), "selection": "all"}

        assert ("bbdm",) == ARMS[PAPERS_ARM].synthetic
        assert ARMS[REFERENCE] == replace(ARMS[PAPERS_ARM], **added)

    def test_every_generator_and_every_filter_is_compared(self) -> None:
        """None is built for nothing."""
        assert set(GENERATORS) == {name for arm in ARMS.values() for name in arm.synthetic}
        assert set(FILTERS) == {name for arm in ARMS.values() for name in arm.filter_methods}


class TestFilterMethods:
    @pytest.mark.parametrize(
        ("name", "methods"),
        [
            ("augmented", ()),
            ("augmented-bbdm", ()),
            ("augmented-bbdm-filtered", ("umap",)),
            ("augmented-bbdm-knn", ("knn",)),
            ("augmented-bbdm-random", ("umap",)),
        ],
    )
    def test_tells_what_has_to_be_fitted(self, name: str, methods: tuple[str, ...]) -> None:
        """The random control is as large as what the UMAP filter lets in, so it needs that filter."""
        assert methods == arms_of([name])[0].filter_methods


class TestArmsOf:
    def test_keeps_the_order_of_the_table(self) -> None:
        """Whatever the order of the names, and however often one comes."""
        found = arms_of(["augmented-painted", "real", "augmented", "real"])

        assert ["real", "augmented", "augmented-painted"] == [arm.name for arm in found]

    def test_knows_no_other(self) -> None:
        """A name that is none is told."""
        with pytest.raises(KeyError, match="magic"):
            arms_of(["real", "magic"])
