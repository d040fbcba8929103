"""The card of a filter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.pipelines.filter_card import filter_card

LEVELS = [round(0.05 * step, 2) for step in range(1, 21)]


def manifest(**changes: Any) -> dict[str, Any]:
    """Return the manifest of a fitted filter, as it comes back from JSON."""
    told = {
        "kind": "filter",
        "name": "bars",
        "filter": {
            "method": "umap",
            "level": 0.7321,
            "level_reason": "The weight of the dominant component, as in the paper.",
            "max_percentile": None,
            "classifier": "translocation/3",
            "classifier_sha256": "ab" * 32,
        },
        "manifold": {"n_neighbors": 15, "min_dist": 0.1},
        "classifier": {"ref": "translocation/3", "weights_sha256": "ab" * 32},
        "dataset": {
            "name": "mine",
            "version": 3,
            "sha256": "cd" * 32,
            "description": "M-FISH.\nNot a painting.",
            "licence": "CC-BY-4.0",
        },
        "held_out_groups": {"val": ["A0"], "test": ["E1"]},
        "parameters": {"num_components": 2, "level": None},
        "fit": {
            "job_id": "job_1",
            "aberrations": 74,
            "normals": 4021,
            "groups": ["B1", "B2"],
            "classifier_saw": {"train": ["B1"], "val": []},
            "components": [
                {"weight": 0.7321, "mean": [1.5, -2.25], "axes": [0.8, 0.4], "dominant": True},
                {"weight": 0.2679, "mean": [4.0, 0.0], "axes": [1.0, 0.5], "dominant": False},
            ],
            "coordinates": {"construction": "leave_one_out"},
            "bic": {"2": 431.5},
            "notes": ["A note."],
        },
        "metrics": {
            "rows": {
                "train": {"aberration": 74, "normal": 4021},
                "validation": {"aberration": 30, "normal": 1200},
            },
            "acceptance": {
                "train_aberrations_fitted": 0.91,
                "train_aberrations_out_of_sample": 0.62,
                "val_aberrations": 0.5667,
                "val_normals": 0.0125,
                "val_aberrations_with_gate": 0.5,
                "val_normals_with_gate": 0.01,
            },
            "curve": {
                "level": LEVELS,
                "train_aberrations": LEVELS,
                "val_aberrations": LEVELS,
                "val_normals": [0.0] * 20,
            },
            "beyond_p99": {"val_aberrations": 0.1, "val_normals": 0.02},
        },
        "weights_sha256": "ef" * 32,
        "licence": "MIT",
        "description": "For slides of our lab.",
    }
    return json.loads(json.dumps(told | changes, allow_nan=False))


class TestFittedFilter:
    def test_tells_whose_embeddings_it_reads(self) -> None:
        """By name and by digest."""
        card = filter_card(manifest())

        for part in ("`translocation/3`", "ab" * 32, "ef" * 32, "Licence: MIT.", "For slides of our lab."):
            assert part in card, part

    def test_tells_what_it_was_fitted_on(self) -> None:
        """Crops, slides by split, and what the makers of the data say."""
        card = filter_card(manifest())

        assert "Fitted on 74 aberrations and 4,021 normal crops" in card
        assert "- train: B1, B2\n- validation: A0\n- test: E1" in card
        assert "> M-FISH.\n> Not a painting." in card

    def test_tells_its_level_and_why(self) -> None:
        """And the mixture that it belongs to."""
        card = filter_card(manifest())

        assert "Level: **0.7321**. The weight of the dominant component" in card
        assert "| 1 (dominant) | 0.7321 | 1.5, -2.25 | 0.8, 0.4 |" in card
        assert "without itself among its neighbours" in card
        assert "A note." in card

    def test_has_a_table_of_what_it_keeps(self) -> None:
        """Training as if new, validation, and other levels; both kinds of numbers are named."""
        card = filter_card(manifest())

        assert "| training aberrations, as if they were new | 62.0 % |" in card
        assert "| validation aberrations | 56.7 % |" in card
        assert "| validation normals | 1.2 % |" in card
        assert "| 0.5 | 50.0 % | 50.0 % | 0.0 % |" in card
        assert "Validation has 30 aberrations and 1,200 normal crops." in card

    def test_tells_of_the_second_gate_where_it_is_on(self) -> None:
        """Otherwise its lines would repeat the others."""
        gated = manifest()["filter"] | {"max_percentile": 99.0}

        assert "with the second gate" not in filter_card(manifest())
        assert "it is off" in filter_card(manifest())
        assert "| validation aberrations, with the second gate | 50.0 % |" in filter_card(
            manifest(filter=gated)
        )
        assert "Second gate: percentile 99 of" in filter_card(manifest(filter=gated))

    def test_says_what_the_classifier_had_seen(self) -> None:
        """Figures of crops that it knew are too good."""
        fit = manifest()["fit"] | {"classifier_saw": {"train": [], "val": []}}

        assert "had learnt from crops of these groups (train: B1)" in filter_card(manifest())
        assert "had learnt" not in filter_card(manifest(fit=fit))

    def test_warns_of_few_aberrations_and_of_what_nobody_measured(self) -> None:
        """Weak points are told where they are."""
        unmeasured = manifest()["metrics"] | {"acceptance": {"train_aberrations_fitted": 0.9}}
        fit = manifest()["fit"] | {"aberrations": 1021}

        assert "It knows 74 aberrations" in filter_card(manifest())
        assert "It knows" not in filter_card(manifest(fit=fit))
        assert "Nobody has measured" in filter_card(manifest(metrics=unmeasured))
        assert "Nobody has measured" not in filter_card(manifest())

    @pytest.mark.parametrize("method", ["mahalanobis", "knn", "probability", "none"])
    def test_describes_the_other_methods(self, method: str) -> None:
        """The map is for looking then, and there is no mixture."""
        fit = manifest()["fit"] | {"components": None, "coordinates": None, "bic": None}
        card = filter_card(manifest(filter=manifest()["filter"] | {"method": method}, fit=fit))

        assert "for looking only" in card
        assert "| component |" not in card
        assert "UMAP draws crops" not in card

    def test_a_name_cannot_break_the_card(self) -> None:
        """A slide may be called anything, and so may what was imported."""
        card = filter_card(
            manifest(
                name="x\n# y",
                held_out_groups={"val": ["a\n## b"]},
                imported={"filename": "z\n## c", "name": "w\n## d"},
            )
        )

        assert not any(part in card for part in ("\n# y", "\n## b", "\n## c", "\n## d"))

    def test_passes_a_notice_and_limits_on(self) -> None:
        """What the data's owner wants to be said with everything that derives from them."""
        card = filter_card(manifest(notice="Cite us.\nTwice.", limits=["Only slides of one stain."]))

        assert "> Cite us.\n> Twice." in card
        assert "- Only slides of one stain." in card

    def test_is_no_medical_device(self) -> None:
        """Each card says so, and that what it keeps is no evidence."""
        card = filter_card(manifest())

        assert "Not a medical device" in card
        assert "no evidence" in card


class TestImportedFilter:
    def test_says_where_it_comes_from(self) -> None:
        """Its scores were checked, its figures were not."""
        card = filter_card(manifest(imported={"filename": "bars-1.zip", "name": "theirs"}))

        assert 'Uploaded as `bars-1.zip`, which was called "theirs" there.' in card
        assert "its scores were checked here" in card

    def test_a_bare_manifest_is_enough(self) -> None:
        """Missing entries are left out."""
        card = filter_card({"name": "x", "metrics": None})

        assert card.startswith('# Filter "x"\n')
        assert "None" not in card
        assert not any(part in card for part in ("## Data", "## Fit", "## What it keeps"))


class TestUse:
    def test_has_a_job_to_filter_with(self) -> None:
        """By name and version."""
        assert '"filter": "bars/1"' in filter_card(manifest())
