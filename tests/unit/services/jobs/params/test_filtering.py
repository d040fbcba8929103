"""What may be asked of a filter's fit and of a filtering."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.jobs.kinds import spec_of
from services.jobs.params import JobRequest, params_of
from services.jobs.params.filtering import (
    FilterFittingParams,
    FilterFittingRequest,
    FilteringParams,
    FilteringRequest,
)

REQUEST: TypeAdapter[Any] = TypeAdapter(JobRequest)
FIT = {"kind": "filter_fitting", "name": "f", "dataset": "set/1"}


class TestFilterFitting:
    @pytest.mark.parametrize("model", [FilterFittingParams, FilteringParams, FilteringRequest])
    def test_every_field_is_described(self, model: type[Any]) -> None:
        """A form made of the schema explains itself."""
        silent = [name for name, field in model.model_fields.items() if field.description is None]

        assert [] == [name for name in silent if name not in ("kind", "description")]

    def test_defaults_are_the_papers(self) -> None:
        """Who says nothing gets the map and the mixture of the paper, and the usual classifier."""
        request = REQUEST.validate_python(FIT)
        stored = params_of(request, spec_of("filter_fitting").params_model)

        assert isinstance(request, FilterFittingRequest)
        assert "translocation/production" == request.classifier
        assert ("umap", 15, 0.1, 2) == tuple(
            stored[name] for name in ("method", "n_neighbors", "min_dist", "num_components")
        )
        assert (None, None, None) == tuple(
            stored[name] for name in ("level", "coordinates", "max_percentile")
        )
        assert not {"kind", "classifier", "external_id"} & set(stored)

    @pytest.mark.parametrize(
        "fields",
        [
            {"level": 0.7},
            {"level": 1},
            {"level": "weight"},
            {"level": "validation", "method": "mahalanobis"},
            {"num_components": "bic"},
            {"num_components": 10},
            {"max_percentile": 99.0},
            {"coordinates": "fitted"},
            {"normal_ratio": 12.0},
        ],
    )
    def test_takes(self, fields: dict[str, Any]) -> None:
        """A level and a number of components may be numbers or words, and are stored as they were said."""
        stored = params_of(REQUEST.validate_python(FIT | fields), FilterFittingParams)

        assert fields == {name: stored[name] for name in fields}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"level": 0}, "greater than 0"),
            ({"level": 1.01}, "less than or equal"),
            ({"level": "best"}, "'weight' or 'validation'"),
            ({"level": "weight", "method": "knn"}, "Only the method umap"),
            ({"level": "validation", "method": "none"}, "keeps everything"),
            ({"num_components": 0}, "greater than or equal"),
            ({"num_components": 11}, "less than or equal"),
            ({"num_components": "aic"}, "'bic'"),
            ({"max_percentile": 49.9}, "greater than or equal"),
            ({"normal_ratio": 0}, "greater than 0"),
            ({"n_neighbors": 1}, "greater than or equal"),
            ({"min_dist": float("nan")}, "finite"),
            ({"method": "isolation_forest"}, "umap"),
            ({"coordinates": "guessed"}, "leave_one_out"),
            ({"dataset": "set"}, "pattern"),
            ({"classifier": "../c"}, "pattern"),
        ],
    )
    def test_refuses(self, fields: dict[str, Any], message: str) -> None:
        """Every refusal says what is wrong."""
        with pytest.raises(ValidationError, match=message):
            REQUEST.validate_python(FIT | fields)


class TestFiltering:
    def test_uses_the_usual_filter_at_its_own_level(self) -> None:
        """Who names crops alone gets what the lab has in production, as it was fitted."""
        request = REQUEST.validate_python({"kind": "filtering", "job_id": "job_1"})

        assert isinstance(request, FilteringRequest)
        assert "translocation/production" == request.filter
        assert {"level": None, "max_percentile": None} == params_of(request, FilteringParams)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({}, "exactly one"),
            ({"job_id": "j", "dataset": "d/1"}, "exactly one"),
            ({"crop_ids": ["a", "a"]}, "twice"),
            ({"crop_ids": []}, "at least 1"),
            ({"dataset": "d"}, "pattern"),
            ({"job_id": "j", "level": 1.5}, "less than or equal"),
            ({"job_id": "j", "level": -0.1}, "greater than or equal"),
            ({"job_id": "j", "max_percentile": 101}, "less than or equal"),
            ({"job_id": "j", "level": "weight"}, "number"),
            ({"job_id": "j", "classifier": "c/1"}, "not permitted"),
        ],
    )
    def test_refuses(self, fields: dict[str, Any], message: str) -> None:
        """Every refusal says what is wrong; the classifier is the filter's and cannot be chosen."""
        with pytest.raises(ValidationError, match=message):
            REQUEST.validate_python({"kind": "filtering", **fields})
