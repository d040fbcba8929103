from __future__ import annotations

import json
from typing import Any

from services.pipelines.generator_card import generator_card


def manifest(**changes: Any) -> dict[str, Any]:
    """Return the manifest of a trained bridge, as it comes back from JSON."""
    told = {
        "kind": "generator",
        "name": "bridge",
        "method": "bbdm",
        "trained": True,
        "preprocessing": {"canvas_px": 64, "scale": 1.6, "background": "zero"},
        "bridge": {"prediction_type": "grad", "max_variance": 1.0, "num_train_timesteps": 1000},
        "sampling": {"sampler": "dbim", "steps": 15, "eta": 1.0, "order": 2},
        "dataset": {
            "name": "mine",
            "version": 3,
            "sha256": "ab" * 32,
            "description": "M-FISH, two colours at a time.\nNot a painting.",
            "licence": "CC-BY-4.0",
        },
        "parameters": {"method": "bbdm", "steps": None, "batch_size": 4},
        "recipe": {"steps": 500},
        "differs_from_paper": {"batch_size": [4, 8]},
        "metrics": {"training_loss": 0.051, "validation_loss": 0.0612, "validation_aberrations": 40},
        "training": {"aberrations": 70, "groups": ["B1", "B2"], "steps": 500, "examples_split": "val"},
        "held_out_groups": {"val": ["A0"], "test": ["E1"], "left_out": ["C1"]},
        "licence": "MIT",
        "weights_sha256": "cd" * 32,
    }
    return json.loads(json.dumps(told | changes, allow_nan=False))


class TestTrainedGenerator:
    def test_tells_what_it_needs_and_gives(self) -> None:
        """Canvas, bridge, sampling, data set and weights are named."""
        card = generator_card(manifest())

        for part in (
            "64 x 64 px",
            "predicts `grad`",
            "`dbim` in 15 network calls with order 2",
            "`mine/3`",
            "cd" * 32,
            "Licence: MIT.",
        ):
            assert part in card, part

    def test_tells_what_it_learnt_from(self) -> None:
        """Crops, slides by split, and the parameters that were given."""
        card = generator_card(manifest())

        assert "Learnt from 70 crops of aberrations" in card
        assert "- train: B1, B2\n- validation: A0\n- test: E1\n- left-out groups: C1" in card
        assert '"batch_size": 4' in card
        assert '"steps": null' not in card

    def test_quotes_what_the_data_sets_makers_say(self) -> None:
        """What kind of pictures they are is theirs to say; a new line stays in the quotation."""
        card = generator_card(manifest())

        assert "> M-FISH, two colours at a time.\n> Not a painting." in card

    def test_says_nothing_of_data_that_nobody_described(self) -> None:
        """No description, no quotation."""
        assert "makers" not in generator_card(manifest(dataset={"name": "mine", "version": 3}))

    def test_passes_a_notice_on(self) -> None:
        """What the data's owner wants to be said with everything that derives from them."""
        assert "> Cite us.\n> Twice." in generator_card(manifest(notice="Cite us.\nTwice."))

    def test_claims_nothing_of_what_its_parent_saw(self) -> None:
        """Only of its own training."""
        card = generator_card(manifest(parents=["other/1"]))

        assert "from nothing else" not in card
        assert "before that, from what the generator that it was made from had seen" in card
        assert "The test split played no part in this training" in card

    def test_tells_what_differs_from_the_paper(self) -> None:
        """Value by value, or that nothing does."""
        assert "| batch_size | 4 | 8 |" in generator_card(manifest())
        assert "Nothing that the paper" in generator_card(manifest(differs_from_paper={}))

    def test_has_its_figures(self) -> None:
        """Losses, and that they are no proof."""
        card = generator_card(manifest())

        assert "training loss at the end: 0.051" in card
        assert "fixed times and noise: 0.0612" in card
        assert "no proof of good pictures" in card

    def test_warns_of_few_aberrations(self) -> None:
        """Few are learnt by heart."""
        assert "It has seen 70 aberrations" in generator_card(manifest())
        assert "It has seen" not in generator_card(manifest(training={"aberrations": 1021}))

    def test_warns_of_samples_from_training_crops(self) -> None:
        """Where validation has no aberration."""
        training = manifest()["training"] | {"examples_split": "train"}

        assert "sources of `samples.png` are training crops" in generator_card(manifest(training=training))
        assert "sources of `samples.png` are training crops" not in generator_card(manifest())

    def test_tells_of_noise_where_there_is_any(self) -> None:
        """Eta means something to one of the samplers alone."""
        sampling = {"sampler": "bbdm", "steps": 200, "eta": 0.5, "order": 2}

        assert "200 network calls with eta 0.5" in generator_card(manifest(sampling=sampling))

    def test_a_name_cannot_break_the_card(self) -> None:
        """A slide may be called anything."""
        card = generator_card(manifest(held_out_groups={"val": ["a\n## b"]}, name="x\n# y"))

        assert "\n## b" not in card
        assert "\n# y" not in card

    def test_is_no_medical_device(self) -> None:
        """Each card says so, and that synthetic crops are no evidence."""
        card = generator_card(manifest())

        assert "Not a medical device" in card
        assert "never evidence" in card

    def test_a_bare_manifest_is_enough(self) -> None:
        """Missing entries are left out."""
        card = generator_card({"name": "x"})

        assert card.startswith('# Generator "x"\n')
        assert "## Data" not in card
        assert "None" not in card


class TestCyclegan:
    def test_says_if_it_collapsed(self) -> None:
        """The sentence of the training is passed on."""
        card = generator_card(manifest(method="cyclegan", metrics={"collapse": "The discriminator won."}))

        assert "- The discriminator won." in card
        assert "one source gives one picture" in card


class TestImportedGenerator:
    def test_says_that_nothing_is_known_of_its_training(self) -> None:
        """Nor can its scale be checked."""
        card = generator_card(
            {
                "name": "official",
                "method": "bbdm",
                "trained": True,
                "preprocessing": {"canvas_px": 64, "scale": 1.6, "background": "zero"},
                "imported": {"filename": "latest_model.pth"},
            }
        )

        assert "uploaded as `latest_model.pth`" in card
        assert "what the uploader said" in card
        assert "Other than in the paper" not in card


class TestUse:
    def test_has_a_job_to_generate_with(self) -> None:
        """By name and version."""
        assert '"generator": "bridge/1"' in generator_card(manifest())

    def test_has_the_way_back_to_the_official_code(self) -> None:
        """Where the official code can read it."""
        command = "python -m models.bridge.official weights.safetensors checkpoint.pth"

        assert command in generator_card(manifest())
        assert command not in generator_card(manifest(method="cyclegan"))
