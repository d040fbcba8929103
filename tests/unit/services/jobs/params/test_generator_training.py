"""What may be asked of a generator's training."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.jobs.params.generator_training import (
    OWN_FIELDS,
    SAMPLER_FIELDS,
    GeneratorTrainingParams,
    GeneratorTrainingRequest,
)

REQUIRED = {"name": "net", "dataset": "set/1"}
VALUES: dict[str, Any] = {
    "size": "small",
    "prediction_type": "noise",
    "loss": "l2",
    "schedule": "cosine",
    "ema_decay": 0.99,
    "ema_start": 10,
    "ema_every": 1,
    "sample_steps": 10,
    "sampler": "dbim",
    "sampler_steps": 15,
    "sampler_order": 2,
    "eta": 0.5,
    "cycle_weight": 5.0,
    "identity_weight": 0.0,
    "pool_size": 10,
}


class TestGeneratorTrainingParams:
    def test_every_field_is_described(self) -> None:
        """A form made of the schema explains itself."""
        silent = [
            name for name, field in GeneratorTrainingParams.model_fields.items() if not field.description
        ]

        assert [] == silent

    @pytest.mark.parametrize(("method", "name"), [(m, name) for m in OWN_FIELDS for name in OWN_FIELDS[m]])
    def test_what_one_method_has_the_other_refuses(self, method: str, name: str) -> None:
        """A field that changes nothing is a mistake, and the answer says whose it is."""
        other = next(one for one in OWN_FIELDS if one != method)

        beside = {"sampler": SAMPLER_FIELDS[name]} if name in SAMPLER_FIELDS else {}
        own = GeneratorTrainingParams(**REQUIRED, method=method, **{name: VALUES[name]}, **beside)

        assert VALUES[name] == getattr(own, name)
        with pytest.raises(ValidationError, match=f"{name}: only the method {method} has this"):
            GeneratorTrainingParams(**REQUIRED, method=other, **{name: VALUES[name]})

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"steps": 10, "epochs": 2}, "steps or epochs, not both"),
            ({"width": 40}, "multiple of 32"),
            ({"width": 12, "method": "cyclegan"}, "multiple of 8"),
            ({"method": "gan"}, "'bbdm' or 'cyclegan'"),
            ({"canvas_px": 16}, "greater than or equal to 32"),
            ({"eta": 0.5}, "give sampler bbdm too"),
            ({"eta": 0.5, "sampler": "dbim"}, "belongs to the sampler bbdm"),
            ({"sampler_order": 2, "sampler": "bbdm"}, "belongs to the sampler dbim"),
            ({"sampler_steps": 2}, "greater than or equal to 3"),
            ({"betas": 3}, "not permitted"),
        ],
    )
    def test_refuses_what_cannot_be_trained(self, fields: dict[str, Any], message: str) -> None:
        """Every refusal says what is wrong."""
        with pytest.raises(ValidationError, match=message):
            GeneratorTrainingParams(**REQUIRED, **fields)

    def test_survives_being_stored(self) -> None:
        """Fields that were not given are stored as nothing, and are nobody's when they are read."""
        params = GeneratorTrainingParams(**REQUIRED, method="cyclegan", pool_size=0)

        assert params == GeneratorTrainingParams.model_validate(params.model_dump(mode="json"))


class TestGeneratorTrainingRequest:
    def test_may_name_weights_to_start_from(self) -> None:
        """By version or alias."""
        request = GeneratorTrainingRequest(kind="generator_training", generator="net/production", **REQUIRED)

        assert "net/production" == request.generator

    def test_cannot_continue_a_cyclegan(self) -> None:
        """Three of its four networks were not kept."""
        with pytest.raises(ValidationError, match="one of the four networks"):
            GeneratorTrainingRequest(
                kind="generator_training", generator="net/1", method="cyclegan", **REQUIRED
            )
