"""Training: it learns, it repeats, and it goes on where it was cut."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from models.classification import network, training
from models.classification.augmentation import Augmentation, Draws
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.classification.records import EpochRecord
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases, normalisation_of, thinned
from tests.support.stopping import StoppedError, stop_after

CPU = torch.device("cpu")
SPEC = ClassifierSpec(Preprocessing(canvas_px=32, scale=0.5))
CONFIG = TrainingConfig(
    epochs=3, batch_size=8, learning_rate=1e-3, augmentation=Augmentation(flips=True, noise=0.02), seed=5
)


def crops(count: int, seed: int) -> LabelledCanvases:
    """Bars of one colour (normal), and bars that change colour in the middle (aberration)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    canvases = np.zeros((count, 3, 32, 32), np.uint8)
    for canvas, label in zip(canvases, labels, strict=True):
        first = int(rng.integers(2))
        canvas[first, 12:20, 4:28] = 200
        canvas[2, 12:20, 4:28] = 120
        if label:
            canvas[first, 12:20, 16:] = 0
            canvas[1 - first, 12:20, 16:28] = 200
    return LabelledCanvases(canvases, labels)


def trainer(config: TrainingConfig = CONFIG, count: int = 25) -> ClassifierTrainer:
    return ClassifierTrainer(
        network.build(seed=config.seed), crops(count, 0), crops(12, 1), spec=SPEC, config=config, device=CPU
    )


def trained(one: ClassifierTrainer) -> ClassifierTrainer:
    while not one.finished:
        one.run_epoch()
    return one


def rows_of(one: ClassifierTrainer) -> NDArray[np.int64]:
    """Rows of the training set that the next epoch shows, in their order."""
    return np.concatenate([batch.rows for batch in one._batches()])


def seen_by(one: ClassifierTrainer, monkeypatch: pytest.MonkeyPatch) -> dict[int, list[bytes]]:
    """Run an epoch and return how each crop of the training set looked, every time that it came."""
    rows, pictures, vary = iter(rows_of(one).tolist()), defaultdict(list), training.augment

    def noted(canvases: torch.Tensor, augmentation: Augmentation, draws: Draws) -> torch.Tensor:
        varied = vary(canvases, augmentation, draws)
        for picture in varied:
            pictures[next(rows)].append(picture.numpy().tobytes())
        return varied

    monkeypatch.setattr(training, "augment", noted)
    one.run_epoch()
    return pictures


class TestClassifierTrainer:
    def test_learns_what_an_aberration_is(self) -> None:
        """On pictures where everybody sees it."""
        done = trained(trainer(replace(CONFIG, epochs=10), count=60))
        held_out = crops(30, 2)
        probabilities = Classifier(done.weights(), SPEC, CPU).score(held_out.canvases).probabilities

        assert 10 == len(done.history)
        assert done.history[-1].loss < done.history[0].loss
        assert ((probabilities >= 0.5) == held_out.labels).mean() > 0.9

    @pytest.mark.parametrize("precision", ["float32", "auto"])
    def test_repeats_under_a_seed(self, precision: str) -> None:
        """Bit for bit."""
        config = replace(CONFIG, epochs=2, precision=precision)

        assert trained(trainer(config)).weights() == trained(trainer(config)).weights()

    def test_another_seed_gives_other_weights(self) -> None:
        """Ten seeds are ten experiments."""
        config = replace(CONFIG, epochs=1)

        assert trained(trainer(config)).weights() != trained(trainer(replace(config, seed=6))).weights()

    @pytest.mark.parametrize("patience", [None, 5])
    def test_cut_and_resumed_ends_as_an_unbroken_run(self, patience: int | None) -> None:
        """Weights, statistics, optimiser, history and the best epoch go on."""
        config = replace(CONFIG, patience_epochs=patience, schedule="cosine", over_sampling=True)
        unbroken = trained(trainer(config))
        first = trainer(config)
        first.run_epoch()
        second = trainer(config)
        second.resume(first.checkpoint())
        second.run_epoch()
        third = trainer(config)
        third.resume(second.checkpoint())

        assert trained(third).weights() == unbroken.weights()
        assert third.history == unbroken.history
        assert third.best_epoch == unbroken.best_epoch

    @pytest.mark.parametrize("batches", [1, 2])
    def test_stopped_amid_an_epoch_it_goes_on_as_an_unbroken_one(self, batches: int) -> None:
        """A checkpoint keeps the batches that were done, and their losses."""
        config = replace(CONFIG, epochs=2, patience_epochs=2, schedule="cosine")
        unbroken, cut, resumed = trained(trainer(config)), trainer(config), trainer(config)
        cut.run_epoch()

        with pytest.raises(StoppedError):
            cut.run_epoch(check=stop_after(batches))
        resumed.resume(cut.checkpoint())
        before = resumed.position
        trained(resumed)

        assert (1, batches) == before
        assert resumed.weights() == unbroken.weights()
        assert resumed.history == unbroken.history

    def test_stops_when_validation_has_not_improved(self) -> None:
        """And keeps the best epoch's weights, not the last one's."""
        config = replace(CONFIG, epochs=40, patience_epochs=2, learning_rate=1e-4)
        done = trained(trainer(config))
        precisions = [record.val_average_precision or 0.0 for record in done.history]

        assert done.epoch == done.best_epoch + 2 < 40
        assert max(precisions) == precisions[done.best_epoch - 1]

    def test_checks_before_every_batch(self) -> None:
        """A cancelled job ends within a batch."""
        calls: list[int] = []
        trainer().run_epoch(check=lambda: calls.append(1))

        assert 3 == len(calls)

    def test_a_last_crop_alone_joins_the_batch_before(self) -> None:
        """Batch normalisation cannot work on one crop."""
        one = trainer(replace(CONFIG, batch_size=8), count=25)
        sizes = [len(batch.rows) for batch in one._batches()]

        assert [8, 8, 9] == sizes

    def test_over_sampling_shows_both_classes_equally_often(self) -> None:
        """In an epoch as long as before."""
        one = trainer(replace(CONFIG, over_sampling=True), count=40)
        rows = rows_of(one)

        assert 40 == len(rows)
        assert 20 == crops(40, 0).labels[rows].sum()

    def test_without_over_sampling_every_crop_comes_once(self) -> None:
        """An epoch is an epoch."""
        rows = rows_of(trainer(count=40))

        assert list(range(40)) == sorted(rows.tolist())

    def test_class_weights_are_inverse_frequencies(self) -> None:
        """A third are aberrations: they weigh twice as much."""
        one = trainer(replace(CONFIG, class_weights=True), count=24)

        assert one._class_weights is not None
        assert [0.75, 1.5] == pytest.approx(one._class_weights.tolist())

    def test_weights_can_be_stored_in_half(self) -> None:
        """For shipping."""
        state = safetensors.torch.load(trainer().weights(half=True))

        assert torch.float16 == state["conv1.weight"].dtype

    def test_one_class_cannot_be_learned(self) -> None:
        """The message says what is missing."""
        only_normal = LabelledCanvases(np.zeros((4, 3, 32, 32), np.uint8), np.zeros(4, np.int64))
        with pytest.raises(ValueError, match="both classes"):
            ClassifierTrainer(network.build(), only_normal, only_normal, spec=SPEC, config=CONFIG, device=CPU)

    def test_validates_without_aberrations_or_crops(self) -> None:
        """What is undefined is None."""
        nothing = LabelledCanvases(np.zeros((0, 3, 32, 32), np.uint8), np.zeros(0, np.int64))
        normals = LabelledCanvases(np.zeros((4, 3, 32, 32), np.uint8), np.zeros(4, np.int64))
        for validation, has_loss in ((nothing, False), (normals, True)):
            one = ClassifierTrainer(
                network.build(), crops(9, 0), validation, spec=SPEC, config=CONFIG, device=CPU
            )
            record = one.run_epoch()

            assert has_loss == (record.val_loss is not None)
            assert record.val_average_precision is None


class TestEpochSteps:
    @pytest.mark.parametrize("count", [5, 25, 200])
    @pytest.mark.parametrize("over_sampling", [False, True])
    def test_an_epoch_has_so_many_whole_batches(self, count: int, over_sampling: bool) -> None:  # noqa: FBT001 - a parameter
        """However many crops there are, so that synthetic ones make no training longer."""
        one = trainer(replace(CONFIG, epoch_steps=6, over_sampling=over_sampling), count=count)

        assert [8] * 6 == [len(batch.rows) for batch in one._batches()]

    def test_passes_follow_each_other_without_a_break(self) -> None:
        """Ten epochs of 24 crops are six passes over forty, each of which shows every crop once."""
        one = trainer(replace(CONFIG, epochs=10, epoch_steps=3), count=40)
        shown = []
        for _ in range(10):
            shown += rows_of(one).tolist()
            one.history.append(EpochRecord(0.0, None, None, None))
        passes = [shown[start : start + 40] for start in range(0, 240, 40)]

        assert [list(range(40))] * 6 == [sorted(rows) for rows in passes]
        assert 6 == len({tuple(rows) for rows in passes})

    def test_a_set_of_one_epochs_length_is_shown_as_before(self) -> None:
        """The same crops in the same order as without a number of steps, in every epoch."""
        plain, counted = trainer(count=24), trainer(replace(CONFIG, epoch_steps=3), count=24)
        for one in (plain, counted):
            one.history.append(EpochRecord(0.0, None, None, None))

        assert rows_of(plain).tolist() == rows_of(counted).tolist()

    @pytest.mark.parametrize("over_sampling", [False, True])
    def test_cut_and_resumed_ends_as_an_unbroken_run(self, over_sampling: bool) -> None:  # noqa: FBT001 - a parameter
        """In the middle of a pass, bit for bit."""
        config = replace(CONFIG, epoch_steps=2, schedule="cosine", over_sampling=over_sampling)
        unbroken, first, second = trained(trainer(config)), trainer(config), trainer(config)
        first.run_epoch()
        second.resume(first.checkpoint())

        assert trained(second).weights() == unbroken.weights()
        assert second.history == unbroken.history

    @pytest.mark.parametrize("over_sampling", [False, True])
    def test_a_repeated_crop_is_varied_anew(
        self,
        over_sampling: bool,  # noqa: FBT001 - a parameter
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Five crops in 48 places: copies that all look alike would be no augmentation."""
        config = replace(CONFIG, epoch_steps=6, over_sampling=over_sampling)
        pictures = seen_by(trainer(config, count=5), monkeypatch)

        assert 48 == sum(map(len, pictures.values()))
        assert all(len(set(seen)) == len(seen) > 1 for seen in pictures.values())

    def test_over_sampling_varies_repeats_within_a_pass_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An epoch as long as the training set repeats its few aberrations."""
        pictures = seen_by(trainer(replace(CONFIG, over_sampling=True)), monkeypatch)
        repeated = [seen for seen in pictures.values() if len(seen) > 1]

        assert repeated
        assert all(len(set(seen)) == len(seen) for seen in repeated)

    def test_without_variation_repeats_look_alike(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What an arm without augmentation shows is the crop itself."""
        plain = replace(CONFIG, over_sampling=True, augmentation=Augmentation())

        assert all(len(set(seen)) == 1 for seen in seen_by(trainer(plain), monkeypatch).values())


class TestNormalisation:
    def test_is_that_of_the_training_crops(self) -> None:
        """A channel without contrast is left alone."""
        canvases = np.zeros((2, 3, 4, 4), np.uint8)
        canvases[0, 0] = 255
        canvases[:, 1] = 51
        mean, std = normalisation_of(canvases)

        assert ([0.5, 0.2, 0.0], [0.5, 1.0, 1.0]) == (mean, std)


class TestThinned:
    @pytest.fixture
    def labels(self) -> NDArray[np.int64]:
        """Three aberrations among fifty normals."""
        return np.array([0] * 50 + [1] * 3, np.int64)

    def test_keeps_every_aberration(self, labels: NDArray[np.int64]) -> None:
        """They are rare enough."""
        rows = thinned(labels, 10.0, seed=1)

        assert 33 == len(rows)
        assert {50, 51, 52} <= set(rows.tolist())
        assert rows.tolist() == sorted(rows.tolist()) == thinned(labels, 10.0, seed=1).tolist()

    def test_takes_all_normals_unless_told(self, labels: NDArray[np.int64]) -> None:
        """And never more than there are."""
        assert 53 == len(thinned(labels, None, seed=1)) == len(thinned(labels, 1000.0, seed=1))
