"""Training: it learns, it repeats, and it goes on where it was cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from models.classification import network
from models.classification.augmentation import Augmentation
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.preprocessing import Preprocessing
from models.classification.training import ClassifierTrainer, TrainingConfig
from models.classification.training_set import LabelledCanvases, normalisation_of, thinned

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
        sizes = [len(rows) for rows in one._batches()]

        assert [8, 8, 9] == sizes

    def test_over_sampling_shows_both_classes_equally_often(self) -> None:
        """In an epoch as long as before."""
        one = trainer(replace(CONFIG, over_sampling=True), count=40)
        rows = np.concatenate(list(one._batches()))

        assert 40 == len(rows)
        assert 20 == crops(40, 0).labels[rows].sum()

    def test_without_over_sampling_every_crop_comes_once(self) -> None:
        """An epoch is an epoch."""
        rows = np.concatenate(list(trainer(count=40)._batches()))

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
