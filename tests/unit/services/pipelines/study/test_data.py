"""What a study learns from, chooses with, and keeps under seal."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from models.classification import network
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.segmentation.crops import CropPack
from models.study.arms import GENERATORS, GeneratorName
from models.study.conditions import Condition
from models.study.plan import MAX_SAMPLES
from services.pipelines.study.data import ConditionData, Rows, SealedSplits, Truth, load_crops
from services.storage.factory import open_store
from tests.support.study_crops import SIDE, crops_of, shown
from tests.support.study_items import SOUND, crops, item

ALL = Condition("all", "All")
WITHOUT = Condition("without-line", "Without a line", ("b", "u"))
FEW = Condition("aberrations-2", "2 aberrations", max_aberrations=2)
CONDITIONS = (ALL, WITHOUT, FEW)
CROPS = crops_of([*SOUND, *crops("v", "val", ("unlabelled",)), *crops("t", "test", ("unlabelled",))])
PREPROCESSING = Preprocessing(SIDE, 1.0)


def data(condition: Condition = ALL, normals: int = 1000, seed: int = 0) -> ConditionData:
    """Open a condition."""
    return ConditionData(CROPS, condition, normals=normals, seed=seed)


def groups(rows: Rows) -> set[str]:
    """Return the slides that some rows show, as their pixels tell."""
    seen = shown(CROPS, rows.canvases)
    assert tuple(one.group for one in seen) == rows.groups
    return {one.group for one in seen}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """A network that nobody trained."""
    weights = network.to_safetensors(network.build(seed=0))
    return Classifier(weights, ClassifierSpec(PREPROCESSING), torch.device("cpu"))


class TestTraining:
    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_holds_training_slides_alone(self, condition: Condition) -> None:
        """None that is held out, or left out."""
        assert groups(data(condition).train) == {"a", "b"} - set(condition.left_out_groups)

    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_shares_no_slide_with_what_judges_it(self, condition: Condition) -> None:
        """Neither validation nor what is sealed."""
        found = data(condition)
        held_out = [set(truth.groups) for truth in found.sealed.truth().values()]

        for one, other in itertools.combinations([groups(found.train), groups(found.val), *held_out], 2):
            assert not one & other

    def test_labels_and_names_belong_to_the_pixels(self) -> None:
        """Row by row; crops without a verdict have no row."""
        rows = data().train
        seen = shown(CROPS, rows.canvases)

        assert [one.item_class for one in seen] == [("normal", "aberration")[label] for label in rows.labels]
        assert [(one.sha256, one.chromosome) for one in seen] == list(
            zip(rows.names, rows.chromosomes, strict=True)
        )
        assert 12 == len(rows) == len(rows.masks)

    def test_normals_are_thinned(self) -> None:
        """To the number that the plan counted; every aberration stays."""
        rows = data(normals=4).train

        assert (4, 6) == ((rows.labels == 0).sum(), rows.labels.sum())

    def test_a_learning_curve_takes_aberrations_away(self) -> None:
        """And keeps the normals of the whole."""
        rows = data(FEW, normals=5).train

        assert (5, 2) == ((rows.labels == 0).sum(), rows.labels.sum())

    def test_generators_learn_from_the_same_aberrations(self) -> None:
        """Of a condition with fewer, fewer."""
        few = data(FEW)

        assert {"aberration"} == {one.item_class for one in shown(CROPS, few.aberrations.canvases)}
        assert set(few.aberrations.names) == {
            name for name, label in zip(few.train.names, few.train.labels, strict=True) if label
        }


class TestValidation:
    def test_lacks_left_out_groups(self) -> None:
        """They are scored apart, and choose nothing."""
        left_out = replace(WITHOUT, left_out_groups=("v",))

        assert {"v"} == groups(data().val)
        assert 0 == len(data(left_out).val)


class TestSources:
    @pytest.mark.parametrize("condition", CONDITIONS)
    @pytest.mark.parametrize("method", GENERATORS)
    def test_are_of_training_slides_and_no_aberrations(
        self, condition: Condition, method: GeneratorName
    ) -> None:
        """What their pixels show, and what they are called."""
        left = replace(condition, left_out_groups=condition.left_out_groups and ("b",))
        sources = data(left).sources(method, 1000)
        seen = shown(CROPS, sources.canvases)

        assert {one.group for one in seen} <= {"a", "b"} - set(left.left_out_groups)
        assert "aberration" not in {one.item_class for one in seen}
        assert [one.sha256 for one in seen] == list(sources.crop_ids)

    def test_are_used_several_times_where_there_are_few(self) -> None:
        """Three unlabelled crops, each up to the limit, as samples of their own."""
        sources = data().sources("bbdm", 1000)
        samples = set(zip(sources.crop_ids, sources.sample_numbers, strict=True))

        assert 3 * MAX_SAMPLES == len(sources.crop_ids) == len(samples)

    def test_all_are_used_before_one_is_used_twice(self) -> None:
        """Four samples of three crops."""
        sources = data().sources("bbdm", 4)

        assert [0, 0, 0, 1] == list(sources.sample_numbers)
        assert 3 == len(set(sources.crop_ids))


class TestSealedSplits:
    def test_give_only_scores_and_the_truth(self) -> None:
        """There is no other way in, and the truth has no pixels."""
        public = [name for name in dir(SealedSplits) if not name.startswith("_")]

        assert ["scored_by", "truth"] == public
        assert not [name for name in vars(data().sealed) if not name.startswith("_SealedSplits__")]
        assert {"labels", "groups", "chromosomes"} == {field.name for field in fields(Truth)}

    def test_have_logits_for_each_crop(self, classifier: Classifier) -> None:
        """In the order of the truth; a network looks at each split once."""
        sealed, calls = data(WITHOUT).sealed, list[int]()
        scored, truth = sealed.scored_by(classifier, lambda: calls.append(1)), sealed.truth()

        assert ["test", "left_out"] == list(scored) == list(truth)
        assert 2 == len(calls)
        for split, logits in scored.items():
            assert (len(truth[split].labels), 2) == logits.shape
            assert np.isfinite(logits).all()

    def test_left_out_groups_are_no_test_groups(self) -> None:
        """Whatever split they came from."""
        truth = data(WITHOUT).sealed.truth()

        assert ({"t"}, {"b", "u"}) == (set(truth["test"].groups), set(truth["left_out"].groups))

    def test_a_split_without_crops_is_not_there(self) -> None:
        """Nothing is scored, and nothing is told of it."""
        untested = crops_of([one for one in SOUND if one.split != "test"])

        assert {} == ConditionData(untested, ALL, normals=6, seed=0).sealed.truth()


class TestLoadCrops:
    def test_reads_each_pack_once(self) -> None:
        """Whatever the order of the items; it says how far it is before each of them."""
        store, told = open_store("memory:///"), list[tuple[int, int]]()
        windows, labels = np.tile(np.array([0, 0, 12, 12], np.int32), (3, 1)), np.arange(1, 4, dtype=np.int32)
        masks = np.zeros((3, 12, 12), np.bool_)
        masks[:, 2:10, 2:10] = True
        for pack in (0, 1):
            pixels = np.zeros((3, 3, 12, 12), np.uint8)
            pixels[:, :, 2:10, 2:10] = np.arange(50, 200, 50, dtype=np.uint8)[:, None, None, None] + pack
            store.put(f"pack-{pack}", CropPack(pixels, masks, labels, windows).to_npz())
        items = [
            replace(
                item("a", "train", number=index),
                pack_key=f"pack-{index % 2}",
                pack_index=index // 2,
                channels=("red", "green", "dapi"),
            )
            for index in range(6)
        ]

        found = load_crops(store, items, PREPROCESSING, lambda done, total: told.append((done, total)))

        assert [(0, 6), (3, 6), (6, 6)] == told
        assert [50, 51, 100, 101, 150, 151] == found.canvases[:, 0].max(axis=(1, 2)).tolist()
        assert (6, SIDE, SIDE) == found.masks.shape
        assert (found.canvases[:, 0] > 0).sum() == found.masks.sum() > 0
