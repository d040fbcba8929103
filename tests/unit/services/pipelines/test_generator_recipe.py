"""Presets, and what a job changes in them."""

from __future__ import annotations

from typing import Any

import pytest

from models.classification.augmentation import Augmentation
from models.classification.preprocessing import Preprocessing
from models.generation.pairs import FLIPS_AND_TURNS
from services.errors import InvalidInputError
from services.jobs.params import GeneratorTrainingParams
from services.pipelines.generator_recipe import (
    PRESETS,
    Parent,
    Recipe,
    differences_from_paper,
    parent_of,
    preprocessing_of,
    recipe_of,
)

PAPERS_ABERRATIONS = 1021
METHODS = sorted(PRESETS)
BRIDGE = {
    "method": "bbdm",
    "preprocessing": {"canvas_px": 32, "scale": 0.9, "background": "keep"},
    "network": {"base_channels": 32},
    "bridge": {"prediction_type": "ysubx", "max_variance": 1.0, "num_train_timesteps": 1000},
}


def params(**fields: Any) -> GeneratorTrainingParams:
    return GeneratorTrainingParams(name="net", dataset="set/1", **fields)


def recipe(num_aberrations: int = 100, **fields: Any) -> Recipe:
    """Resolve the recipe of a job with these parameters."""
    return recipe_of(params(**fields), num_aberrations)


class TestPaperPreset:
    def test_of_the_bridge_is_what_appendix_a2_prints(self) -> None:
        """200 epochs in batches of 8 with Adam at 1e-4; an average that starts at step 30,000."""
        resolved = recipe(PAPERS_ABERRATIONS, preset="paper")

        assert 25_525 == resolved.steps
        assert (8, 1e-4) == (resolved.settings["batch_size"], resolved.settings["learning_rate"])
        assert (0.995, 30_000, 16) == tuple(
            resolved.settings[name] for name in ("ema_decay", "ema_start", "ema_every")
        )
        assert ("paper", "grad", "l1") == tuple(
            resolved.settings[name] for name in ("size", "prediction_type", "loss")
        )

    def test_of_the_cyclegan_is_what_section_3_prints(self) -> None:
        """200 epochs in batches of 8 with Adam at 2e-4, cycle weight 10."""
        resolved = recipe(PAPERS_ABERRATIONS, method="cyclegan", preset="paper")

        assert 25_525 == resolved.steps
        assert (8, 2e-4, 10.0, 0.5, 50, 64) == tuple(
            resolved.settings[name]
            for name in (
                *("batch_size", "learning_rate", "cycle_weight"),
                *("identity_weight", "pool_size", "width"),
            )
        )

    @pytest.mark.parametrize("method", METHODS)
    def test_differs_in_nothing_from_the_paper(self, method: str) -> None:
        """Whole steps that make no whole epochs are no difference."""
        assert {} == differences_from_paper(recipe(PAPERS_ABERRATIONS, method=method, preset="paper"))


class TestRecipe:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("preset", ["default", "paper"])
    def test_without_further_fields_is_the_preset(self, method: str, preset: str) -> None:
        """Nothing is changed behind one's back."""
        resolved = recipe(method=method, preset=preset)
        wanted = PRESETS[method][preset]

        assert all(
            resolved.settings[name] == value
            for name, value in wanted.items()
            if name in resolved.settings and value is not None
        )
        assert FLIPS_AND_TURNS == resolved.augmentation
        assert Preprocessing(canvas_px=64, scale=1.6) == resolved.preprocessing

    def test_named_fields_win(self) -> None:
        """Also those that turn something off."""
        resolved = recipe(
            steps=7,
            batch_size=3,
            loss="l2",
            width=64,
            ema_start=0,
            sampler="bbdm",
            eta=0.0,
            flips=False,
            rotation_deg=0,
            canvas_px=96,
            scale=1.5,
            background="keep",
            seed=9,
        )

        assert (7, 9) == (resolved.steps, resolved.seed)
        assert (3, "l2", 64, 0, "bbdm", 0.0) == tuple(
            resolved.settings[name] for name in ("batch_size", "loss", "width", "ema_start", "sampler", "eta")
        )
        assert Augmentation() == resolved.augmentation
        assert Preprocessing(96, 1.5, "keep") == resolved.preprocessing

    def test_turns_epochs_into_steps(self) -> None:
        """Rounded up, so that every aberration is seen as often as was asked for."""
        resolved = recipe(num_aberrations=10, epochs=2.5, batch_size=4)

        assert 7 == resolved.steps
        assert pytest.approx(2.8) == resolved.epochs

    def test_starts_the_average_relative_to_the_steps(self) -> None:
        """A fixed start may lie beyond the end of a training on a small set."""
        assert (200, 2000) == tuple(recipe(steps=steps).settings["ema_start"] for steps in (1000, 10_000))

    def test_averages_no_training_that_is_shorter_than_the_average(self) -> None:
        """It would lag behind: 0.995 remembers 200 steps, and 0.9 ten."""
        assert 101 == recipe(steps=100).settings["ema_start"]
        assert 20 == recipe(steps=100, ema_decay=0.9).settings["ema_start"]

    def test_warms_up_relative_to_the_steps(self) -> None:
        """A short training reaches its learning rate too."""
        assert (4, 100) == tuple(recipe(steps=steps).settings["warmup_steps"] for steps in (80, 10_000))

    @pytest.mark.parametrize("method", METHODS)
    def test_tells_what_is_not_as_in_the_paper(self, method: str) -> None:
        """Its own value, then the paper's."""
        told = differences_from_paper(recipe(method=method, preset="paper", batch_size=2, steps=100))

        assert {"batch_size": [2, 8], "epochs": [2.0, 200]} == told

    def test_tells_of_another_network_than_the_papers(self) -> None:
        """Its width, or that a parent decided."""
        wide = recipe(PAPERS_ABERRATIONS, preset="paper", width=64)
        continued = recipe_of(params(preset="paper"), PAPERS_ABERRATIONS, Parent("bridge/1", BRIDGE, b""))

        assert {"width": [64, "as the size says"]} == differences_from_paper(wide)
        assert {
            "size": ["its parent's", "paper"],
            "prediction_type": ["ysubx", "grad"],
        } == differences_from_paper(continued)


class TestParent:
    def test_hands_its_network_and_canvas_on(self) -> None:
        """What the job names still wins where it can."""
        parent = Parent("bridge/1", BRIDGE, b"")
        resolved = recipe_of(params(scale=1.1), 100, parent)

        assert (
            Preprocessing(32, 1.1, "keep")
            == resolved.preprocessing
            == preprocessing_of(params(scale=1.1), parent)
        )
        assert BRIDGE["network"] == resolved.network
        assert (None, "ysubx") == (resolved.settings["size"], resolved.settings["prediction_type"])

    def test_gives_its_weights(self) -> None:
        """They are read once everything else fits."""
        assert b"weights" == parent_of(params(), "bridge/1", BRIDGE, lambda: b"weights").weights

    @pytest.mark.parametrize(
        ("fields", "manifest", "message"),
        [
            ({}, {"method": "cyclegan"}, "is a cyclegan generator, and this training is of bbdm"),
            ({}, {"method": "painted"}, "is a painted generator"),
            ({"prediction_type": "grad"}, BRIDGE, "predicts ysubx; it cannot go on with grad"),
            ({"size": "small"}, BRIDGE, "leave size out"),
            ({"width": 64}, BRIDGE, "leave width out"),
        ],
    )
    def test_must_fit(self, fields: dict[str, Any], manifest: dict[str, Any], message: str) -> None:
        """Weights of another kind or size cannot be continued."""
        with pytest.raises(InvalidInputError, match=message):
            parent_of(params(**fields), "net/1", manifest, lambda: b"")
