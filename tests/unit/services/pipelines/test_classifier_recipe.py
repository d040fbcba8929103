"""Presets, and what a job changes in them."""

from __future__ import annotations

from typing import Any

import pytest

from models.classification.augmentation import PAPER, Augmentation
from services.jobs.params import AugmentationParams, ClassifierTrainingParams
from services.pipelines.classifier_recipe import PRESETS, Recipe, recipe_of


def recipe(**params: Any) -> Recipe:
    """Resolve the recipe of a job with these parameters."""
    return recipe_of(ClassifierTrainingParams(name="net", dataset="set/1", **params), seed=7)


class TestPaperPreset:
    def test_is_what_the_paper_prints(self) -> None:
        """Adam at 1e-3, batches of 32, 50 epochs; flips, rotation and random crop; no remedies."""
        training = recipe(preset="paper").training

        assert (1e-3, 32, 50) == (training.learning_rate, training.batch_size, training.epochs)
        assert ("constant", 0.0, None) == (training.schedule, training.weight_decay, training.patience_epochs)
        assert PAPER == training.augmentation
        assert not (training.class_weights)
        assert not (training.over_sampling)


class TestRecipe:
    def test_takes_the_seed_of_the_network(self) -> None:
        """A job that trains several gives each its own."""
        assert 7 == recipe().training.seed

    @pytest.mark.parametrize("preset", sorted(PRESETS))
    def test_without_further_fields_is_the_preset(self, preset: str) -> None:
        """Nothing is changed behind one's back."""
        resolved = recipe(preset=preset)

        assert PRESETS[preset].preprocessing == resolved.preprocessing
        assert PRESETS[preset].training.augmentation == resolved.training.augmentation
        assert PRESETS[preset].training.over_sampling == resolved.training.over_sampling

    def test_named_fields_win(self) -> None:
        """Also those that turn something off."""
        resolved = recipe(
            epochs=3,
            over_sampling=False,
            class_weights=True,
            canvas_px=96,
            scale=1.5,
            background="keep",
            test_time_flips=True,
            patience_epochs=2,
        )

        assert (3, False, True, 2) == (
            resolved.training.epochs,
            resolved.training.over_sampling,
            resolved.training.class_weights,
            resolved.training.patience_epochs,
        )
        assert (96, 1.5, "keep", True) == (
            resolved.preprocessing.canvas_px,
            resolved.preprocessing.scale,
            resolved.preprocessing.background,
            resolved.test_time_flips,
        )

    def test_an_augmentation_replaces_the_presets_whole(self) -> None:
        """What it does not name has the default of its own field."""
        augmentation = AugmentationParams(flips=False, rotation_deg=0, crop_px=0, gain=0.3)

        assert Augmentation(gain=0.3) == recipe(augmentation=augmentation).training.augmentation
