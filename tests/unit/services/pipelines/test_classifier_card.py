from __future__ import annotations

import json
from typing import Any

import numpy as np

from models.classification.evaluation import Evaluation, evaluate, summarise
from services.pipelines.classifier_card import classifier_card


def evaluated(groups: int, *, seed: int = 0, aberrant: bool = True) -> Evaluation:
    """Evaluate 120 made-up crops; every fourth is an aberration."""
    labels = (np.arange(120) % 4 == 0).astype(np.int64) if aberrant else np.zeros(120, np.int64)
    odds = np.random.default_rng(seed).normal(-1, 1, 120) + 2 * labels
    return evaluate(
        np.stack([-odds, odds], axis=1),
        labels,
        [f"A{index % groups}" for index in range(120)],
        [str(index) for index in range(120)],
        temperature=1.5,
        threshold=0.4,
        seed=0,
        num_bootstrap=20,
    )


def manifest(**changes: Any) -> dict[str, Any]:
    """Return the manifest of a trained classifier, as it comes back from JSON."""
    told = {
        "kind": "classifier",
        "name": "translocation",
        "trained": True,
        "preprocessing": {"canvas_px": 64, "scale": 0.8, "background": "zero"},
        "calibration": {"temperature": 1.5, "threshold": 0.4, "threshold_reason": None},
        "test_time_flips": True,
        "dataset": {"name": "mine", "version": 3, "sha256": "ab" * 32},
        "parameters": {"epochs": 50, "patience_epochs": None},
        "metrics": {
            "val": evaluated(4).to_json(),
            "test": evaluated(2).to_json(),
        },
        "seeds": {"test": summarise([evaluated(2, seed=seed) for seed in (1, 2)]).to_json()},
        "training": {"normal": 900, "aberration": 70, "groups": ["B1", "B2"], "kept_seed": 4},
        "held_out_groups": {"val": ["A0", "A1", "A2", "A3"], "test": ["A0"]},
        "licence": "BSD-3-Clause",
        "weights_sha256": "cd" * 32,
    }
    return json.loads(json.dumps(told | changes, allow_nan=False))


class TestTrainedClassifier:
    def test_tells_what_it_needs_and_gives(self) -> None:
        """Canvas, temperature, threshold, data set and weights are named."""
        card = classifier_card(manifest())

        for part in ("64 x 64 px", "temperature 1.500", "0.400 on", "`mine/3`", "cd" * 32, "mirrored"):
            assert part in card, part

    def test_has_figures_per_crop_and_chromosome_for_each_split(self) -> None:
        """Every split has a table with intervals and one by group."""
        card = classifier_card(manifest())

        assert 2 == card.count("| crops | 120 | 30 |") == card.count("| chromosomes | 120 | 30 |")
        assert "**validation**: Intervals draw whole groups (4), 20 times." in card
        assert "**test**: Fewer than 3 groups (2)" in card
        assert "| A3 | 30 |" in card

    def test_tells_what_it_learnt_from(self) -> None:
        """Numbers of crops, slides by split, the seed, and the parameters that were given."""
        card = classifier_card(manifest())

        assert "Learnt from 900 normal and 70 aberrant crops." in card
        assert "- train: B1, B2\n- validation: A0, A1, A2, A3" in card
        assert "seed: 4" in card
        assert '"epochs": 50' in card
        assert "patience_epochs" not in card

    def test_long_lists_of_slides_are_cut(self) -> None:
        """A card stays readable with a hundred subjects."""
        card = classifier_card(manifest(held_out_groups={"val": [f"S{index}" for index in range(100)]}))

        assert "S59 and 40 more" in card

    def test_tells_the_spread_over_seeds(self) -> None:
        """Mean and deviation, as the paper reports them."""
        card = classifier_card(manifest())

        assert "**Over 2 seeds**" in card
        assert " ± " in card

    def test_survives_a_split_without_aberrations(self) -> None:
        """What is undefined is a dash."""
        card = classifier_card(manifest(metrics={"test": evaluated(3, aberrant=False).to_json()}))

        assert "| crops | 120 | 0 |" in card
        assert "Test holds 0 aberrant chromosomes" in card
        assert "None" not in card
        assert "nan" not in card

    def test_warns_without_held_out_slides(self) -> None:
        """Validation alone is no proof, and nothing at all even less."""
        for metrics in ({"val": evaluated(4).to_json()}, None):
            assert "Not evaluated on held-out slides" in classifier_card(manifest(metrics=metrics))
        assert "Not evaluated" not in classifier_card(manifest())

    def test_says_why_a_threshold_is_the_default(self) -> None:
        """Reasons of the calibration are passed on."""
        card = classifier_card(
            manifest(calibration={"temperature": 1.0, "threshold": 0.5, "threshold_reason": "One class."})
        )

        assert "The threshold was not fitted: One class." in card

    def test_a_name_cannot_break_a_table(self) -> None:
        """A slide may be called anything."""
        metrics = manifest()["metrics"]
        metrics["test"]["groups"][0]["group"] = "a|b\n## c"

        card = classifier_card(manifest(metrics=metrics))

        assert "| a\\|b ## c |" in card
        assert "\n## c" not in card

    def test_is_no_medical_device(self) -> None:
        """Each card says so."""
        assert "Not a medical device" in classifier_card(manifest())

    def test_a_bare_manifest_is_enough(self) -> None:
        """Missing entries are left out."""
        card = classifier_card({"name": "x", "trained": True})

        assert card.startswith('# Classifier "x"\n')
        assert "## Data" not in card


class TestImported:
    def test_says_where_it_comes_from(self) -> None:
        """Nobody here measured it, whatever its name or its libraries are called."""
        card = classifier_card(
            manifest(imported={"filename": "a.zip", "name": "b\n# c"}, libraries={"torch": "2\n# d"})
        )

        assert 'Uploaded as `a.zip`, which was called "b # c" there.' in card
        assert "nothing was measured here" in card
        assert "\n# d" not in card


class TestStartingPoint:
    def test_says_that_it_cannot_classify(self) -> None:
        """Uploaded weights have no figures and are used for training."""
        card = classifier_card({"name": "imagenet", "trained": False})

        assert "cannot classify" in card
        assert "classifier_training" in card
        assert "## Figures" not in card
