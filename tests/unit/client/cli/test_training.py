from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, job, problem

Invoke = Callable[..., Result]

ALIAS = "/v1/artifacts/classifier/ours/aliases/production"
LEVEL = {"count": 90, "aberrations": 9, "recall": {"value": 0.5, "low": 0.25, "high": 0.75}}
RESULT = {"artifact": "ours/3", "metrics": {"test": {"crops": LEVEL}}, "kept_seed": 2}


def ends(service: TinyService, status: str, result: dict[str, Any]) -> None:
    """Make the next training end so."""
    service.jobs["job_new"] = [job("job_new", "running"), job("job_new", status, result=result)]


class TestTrainClassifier:
    def test_submits_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options and --param become the job's parameters; the rest is the preset's."""
        result = invoke(
            *("train", "classifier", "ours", "--dataset", "adir/1", "--preset", "paper", "--seeds", 10),
            *("--leave-out", "V28", "-p", "class_weights=true", "--no-wait", "--json"),
        )

        (request,) = service.seen("POST", "/v1/jobs")
        assert json.loads(request.body) == {
            "kind": "classifier_training",
            "name": "ours",
            "dataset": "adir/1",
            "preset": "paper",
            "num_seeds": 10,
            "leave_out_groups": ["V28"],
            "class_weights": True,
        }
        assert (result.exit_code, json.loads(result.stdout)["id"]) == (0, "job_new")

    def test_tells_how_good_it_is(self, invoke: Invoke, service: TinyService) -> None:
        """A row per split, with intervals; undefined figures are dashes."""
        ends(service, "succeeded", RESULT)

        result = invoke("train", "classifier", "ours", "--dataset", "adir/1")

        assert result.exit_code == 0
        assert "ours/3" in result.stdout
        assert "0.50 (0.25 to 0.75)" in result.stdout

    def test_points_an_alias_at_what_it_made(self, invoke: Invoke, service: TinyService) -> None:
        """Version 3 goes into production."""
        ends(service, "succeeded", RESULT)
        version = {"kind": "classifier", "name": "ours", "version": 3}
        service.first("PUT", ALIAS, Answer(body=version))

        result = invoke("train", "classifier", "ours", "--dataset", "adir/1", "--alias", "production")

        assert result.exit_code == 0
        assert json.loads(service.seen("PUT", ALIAS)[0].body) == {"version": 3}

    def test_says_why_it_was_not_promoted(self, invoke: Invoke, service: TinyService) -> None:
        """The service refuses what was not measured on held-out slides."""
        ends(service, "succeeded", RESULT)
        service.first("PUT", ALIAS, problem(409, "promotion_refused", "No evaluation on held-out slides."))

        result = invoke("train", "classifier", "ours", "--dataset", "adir/1", "--alias", "production")

        assert result.exit_code == 5
        assert "No evaluation on held-out slides." in result.stderr

    def test_promotes_nothing_that_failed(self, invoke: Invoke, service: TinyService) -> None:
        """There is no version then."""
        ends(service, "failed", {})

        assert (
            invoke("train", "classifier", "ours", "--dataset", "a/1", "--alias", "production").exit_code == 1
        )
        assert [request.method for request in service.requests if request.method == "PUT"] == []

    @pytest.mark.parametrize(
        "arguments", [["--dataset", "a/1", "--alias", "x", "--no-wait"], [], ["--dataset", "a/1", "-p", "x"]]
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """An alias needs the end of the training; a data set is needed always."""
        assert invoke("train", "classifier", "ours", *arguments).exit_code == 2
        assert service.requests == []
