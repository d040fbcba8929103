from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.jobs.kinds import KINDS, spec_of
from services.jobs.params import JobRequest, SegmentationRequest, params_of

REQUEST: TypeAdapter[Any] = TypeAdapter(JobRequest)


class TestJobRequest:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"kind": "segmentation"}, "exactly one"),
            ({"kind": "segmentation", "batch_id": "b", "sample": "s"}, "exactly one"),
            ({"kind": "segmentation", "image_ids": ["a", "a"]}, "twice"),
            ({"kind": "segmentation", "batch_id": "b", "flow_threshold": "nan"}, "finite"),
            ({"kind": "segmentation", "batch_id": "b", "segmenter": "../x"}, "pattern"),
            ({"kind": "diagnostic", "itmes": 3}, "not permitted"),
            ({"kind": "classification"}, "exactly one"),
            ({"kind": "classification", "sample": "S", "dataset": "d/1"}, "exactly one"),
            ({"kind": "classification", "crop_ids": ["a", "a"]}, "twice"),
            ({"kind": "classification", "dataset": "d/newest"}, "pattern"),
            ({"kind": "scoring"}, "exactly one"),
            ({"kind": "classifier_training", "name": "n", "dataset": "d/1", "epochs": 0}, "greater than"),
            ({"kind": "generation"}, "exactly one"),
            ({"kind": "generation", "dataset": "d/1", "crop_ids": ["a"]}, "exactly one"),
            ({"kind": "generation", "crop_ids": ["a", "a"]}, "twice"),
            ({"kind": "generation", "dataset": "d/1", "splits": ["val", "val"]}, "twice"),
            ({"kind": "generation", "job_id": "j", "splits": ["val"]}, "Only a data set has splits"),
            ({"kind": "generation", "crop_ids": ["a"], "classes": ["normal"]}, "leave classes out"),
            ({"kind": "generation", "job_id": "j", "quality": False, "reference": "d/1"}, "mean nothing"),
            ({"kind": "generation", "job_id": "j", "quality": False, "classifier": "c/1"}, "mean nothing"),
            ({"kind": "generation", "job_id": "j", "samples_per_source": 1001}, "less than or equal"),
            ({"kind": "generation", "job_id": "j", "steps": 2}, "greater than or equal"),
            ({"kind": "generation", "job_id": "j", "eta": 1.5}, "less than or equal"),
            ({"kind": "generation", "job_id": "j", "sampler": "ddim"}, "bbdm"),
            ({"kind": "generation", "job_id": "j", "seed": -1}, "greater than or equal"),
            ({"kind": "alchemy"}, "does not match any of the expected tags"),
        ],
    )
    def test_refuses_what_no_job_can_mean(self, body: dict[str, Any], message: str) -> None:
        """Every refusal says what is wrong."""
        with pytest.raises(ValidationError, match=message):
            REQUEST.validate_python(body)

    def test_is_chosen_by_the_kind(self) -> None:
        """The kind discriminates."""
        request = REQUEST.validate_python({"kind": "segmentation", "sample": "S1"})

        assert isinstance(request, SegmentationRequest)
        assert "chromosome/production" == request.segmenter


class TestParamsOf:
    def test_leaves_selection_and_artifacts_out(self) -> None:
        """What is stored as parameters is what the pipeline reads."""
        request = SegmentationRequest(kind="segmentation", sample="S1", min_area_px=70)
        stored = params_of(request, spec_of("segmentation").params_model)

        assert {
            "diameter_px": None,
            "flow_threshold": 0.4,
            "cellprob_threshold": 0.0,
            "min_area_px": 70,
            "masks": "segmenter",
        } == stored


class TestKinds:
    def test_every_parameter_is_described_or_named_with_its_unit(self) -> None:
        """A field of a number says what it counts."""
        vague = [
            f"{kind}.{name}"
            for kind, spec in KINDS.items()
            for name, field in spec.params_model.model_fields.items()
            if field.description is None and name not in WELL_NAMED
        ]

        assert [] == vague


WELL_NAMED = {"epochs", "learning_rate", "weight_decay", "seed", "description"}
