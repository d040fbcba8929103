"""What a data set holds for a study, and what is never learnt from."""

from __future__ import annotations

from typing import Any

import pytest

from models.filtering.fit_types import FitParams
from models.filtering.mixture_fitting import MIN_PER_COMPONENT
from models.study.arms import GENERATORS, PAPERS_ARM, GeneratorName
from models.study.conditions import Condition
from services.datasets.types import DatasetItem
from services.errors import InvalidInputError
from services.jobs.params import StudyParams
from services.studies.facts import (
    MIN_FILTERED,
    MIN_MAPPED,
    check_filters,
    counts_of,
    facts_of,
    source_items,
    split_of,
    unlabelled_of,
)
from services.studies.planning import planned
from tests.support.study_items import CLASSES, SOUND, crops, item

ALL = Condition("all", "All")
WITHOUT_B = Condition("without-b", "Without b", ("b",))
WITHOUT_T = Condition("without-t", "Without t and a", ("a", "t"))
FEW = Condition("aberrations-2", "2 aberrations", max_aberrations=2)
EVERY_SPLIT_UNLABELLED = [
    *SOUND,
    *(one for group, split in (("v", "val"), ("t", "test")) for one in crops(group, split, ("unlabelled",))),
]


def without(split: str, item_class: str) -> list[DatasetItem]:
    """Items that lack a class in a split."""
    return [one for one in SOUND if (one.split, one.item_class) != (split, item_class)]


class TestSplitOf:
    def test_left_out_groups_lie_apart(self) -> None:
        """From whatever split they are."""
        found = {one.group: split_of(one, WITHOUT_T) for one in SOUND}

        assert {"a": "left_out", "b": "train", "v": "val", "t": "left_out", "u": "test"} == found


class TestSourceItems:
    @pytest.mark.parametrize("method", GENERATORS)
    def test_are_of_training_alone(self, method: GeneratorName) -> None:
        """The DAPI of a held-out chromosome never comes into training, not even unlabelled."""
        for condition in (ALL, WITHOUT_B):
            groups = {one.group for one in source_items(EVERY_SPLIT_UNLABELLED, condition, method, 0)}

            assert groups <= {"a", "b"} - set(condition.left_out_groups)

    @pytest.mark.parametrize("method", GENERATORS)
    def test_are_never_aberrations(self, method: GeneratorName) -> None:
        """What is made of one would be a copy of it."""
        assert "aberration" not in {one.item_class for one in source_items(SOUND, ALL, method, 0)}

    def test_networks_take_crops_that_nobody_labelled(self) -> None:
        """Where there are some; the painter takes normals too."""
        classes = {
            method: {one.item_class for one in source_items(SOUND, ALL, method, 0)} for method in GENERATORS
        }

        assert {"bbdm": {"unlabelled"}, "cyclegan": {"unlabelled"}} == {
            name: found for name, found in classes.items() if name != "painted"
        }
        assert {"normal", "unlabelled"} == classes["painted"]

    def test_or_normals_as_in_the_paper(self) -> None:
        """Where every crop has a verdict."""
        assert {"normal"} == {
            one.item_class for one in source_items(without("train", "unlabelled"), ALL, "bbdm", 0)
        }

    def test_the_order_follows_from_seed_and_pixels(self) -> None:
        """Not from the order of the data set."""
        names = [one.crop_id for one in source_items(SOUND, ALL, "painted", 0)]
        turned = [one.crop_id for one in source_items(SOUND[::-1], ALL, "painted", 0)]
        other = [one.crop_id for one in source_items(SOUND, ALL, "painted", 1)]

        assert names == turned != other
        assert sorted(names) == sorted(other)


class TestFactsOf:
    def test_counts_what_is_learnt_from_and_scored(self) -> None:
        """Unlabelled crops are neither."""
        facts = facts_of(SOUND, (ALL, WITHOUT_B, FEW))

        assert (6, 6, 18) == (facts["all"].train_normals, facts["all"].train_aberrations, facts["all"].scored)
        assert {"bbdm": 3, "cyclegan": 3, "painted": 9} == facts["all"].sources
        assert (3, 24) == (facts["without-b"].train_aberrations, facts["without-b"].scored)
        assert (6, 2) == (facts["aberrations-2"].train_normals, facts["aberrations-2"].train_aberrations)

    def test_an_unknown_group(self) -> None:
        """Is named, with those that there are."""
        with pytest.raises(InvalidInputError, match="no group 'z'; its groups are a, b, t, u, v"):
            facts_of(SOUND, (ALL, Condition("without-z", "Without z", ("z",))))

    @pytest.mark.parametrize("item_class", CLASSES)
    def test_too_little_to_learn_from(self, item_class: str) -> None:
        """Says how much there is, how much is needed, and what to do."""
        with pytest.raises(InvalidInputError, match=r"training has \d aberrations and \d normals.*Annotate"):
            facts_of(without("train", item_class), (ALL,))

    @pytest.mark.parametrize("item_class", CLASSES)
    def test_nothing_to_choose_thresholds_with(self, item_class: str) -> None:
        """They are never chosen on the test split instead."""
        with pytest.raises(InvalidInputError, match="'all' validation lacks one of the classes"):
            facts_of(without("val", item_class), (ALL,))

    def test_a_condition_may_lack_what_the_whole_has(self) -> None:
        """The message says which one it is."""
        with pytest.raises(InvalidInputError, match="In the condition 'without-v' validation lacks"):
            facts_of(SOUND, (ALL, Condition("without-v", "Without v", ("v",))))


class TestCheckFilters:
    """Of six aberrations among twelve crops no filter can be fitted, of twelve among eighteen one can."""

    PARAMS = StudyParams(name="s", dataset="d/1", arms=("augmented",), condition_arms=(PAPERS_ARM,))

    def check(self, items: list[DatasetItem], **changes: Any) -> None:
        """Plan a study, and check its filters."""
        found = planned(self.PARAMS.model_copy(update=changes), "0" * 64, items, {})
        check_filters(found.plan, found.facts)

    def test_arms_without_filters_need_no_more(self) -> None:
        """Nor does a filter that no condition uses."""
        self.check(SOUND)
        self.check(SOUND, arms=("augmented-bbdm",))

    def test_too_few_aberrations(self) -> None:
        """Are told before hours of training."""
        with pytest.raises(InvalidInputError, match=r"'all' .* 6 aberrations among 12 crops.*needs 10"):
            self.check(SOUND, arms=(PAPERS_ARM,))

    def test_enough(self) -> None:
        """As soon as there are."""
        self.check([*SOUND, *(item("c", "train", "aberration", one) for one in range(6))], arms=(PAPERS_ARM,))

    def test_a_short_learning_curve(self) -> None:
        """Its condition is named, and the arms of the conditions count there."""
        many = [*SOUND, *(item("c", "train", "aberration", one) for one in range(6))]

        with pytest.raises(InvalidInputError, match=r"'aberrations-5'.*choose larger aberration_counts"):
            self.check(many, aberration_counts=(5,))
        self.check(many, aberration_counts=(5,), condition_arms=("augmented",))

    def test_the_limits_are_those_of_the_filters(self) -> None:
        """Which refuse less by themselves, but after everything before them was computed."""
        assert (MIN_PER_COMPONENT, FitParams(method="umap").n_neighbors + 1) == (MIN_FILTERED, MIN_MAPPED)


class TestCountsOf:
    def test_tells_crops_chromosomes_and_groups(self) -> None:
        """By split; left-out groups only where there are some."""
        told = counts_of(SOUND, ALL)

        assert ["train", "val", "test"] == list(told)
        assert {
            "groups": ["a", "b"],
            "normal": 6,
            "normal_chromosomes": 6,
            "aberration": 6,
            "aberration_chromosomes": 6,
        } == told["train"]
        assert ["b"] == counts_of(SOUND, WITHOUT_B)["left_out"]["groups"]

    def test_a_learning_curve_counts_what_it_takes(self) -> None:
        """Which chromosomes these are, the seed decides later."""
        train = counts_of(SOUND, FEW)["train"]

        assert (2, None, 6) == (train["aberration"], train["aberration_chromosomes"], train["normal"])

    def test_unlabelled_crops_are_counted_apart(self) -> None:
        """They are the second table."""
        assert {"crops": 3, "groups": 1} == unlabelled_of(SOUND)
