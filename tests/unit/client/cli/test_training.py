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


class TestTrainGenerator:
    def test_submits_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options and --param become the job's parameters; the rest is the preset's."""
        result = invoke(
            *(
                "train",
                "generator",
                "bridge",
                "--dataset",
                "adir/1",
                "--method",
                "bbdm",
                "--from",
                "official/1",
            ),
            *("--preset", "paper", "--size", "small", "--epochs", 2.5, "--batch-size", 16, "--seed", 3),
            *("--leave-out", "V28", "--leave-out", "A23", "-p", "prediction_type=grad", "-p", "ema_every=16"),
            *("--no-wait", "--json"),
        )

        (request,) = service.seen("POST", "/v1/jobs")
        assert {
            "kind": "generator_training",
            "name": "bridge",
            "dataset": "adir/1",
            "method": "bbdm",
            "generator": "official/1",
            "preset": "paper",
            "size": "small",
            "epochs": 2.5,
            "batch_size": 16,
            "seed": 3,
            "leave_out_groups": ["V28", "A23"],
            "prediction_type": "grad",
            "ema_every": 16,
        } == json.loads(request.body)
        assert (0, "job_new") == (result.exit_code, json.loads(result.stdout)["id"])

    def test_tells_losses_and_where_the_pictures_are(self, invoke: Invoke, service: TinyService) -> None:
        """A loss alone says little, so it leads to the samples."""
        metrics = {"training": {"loss": 0.01234}, "validation_loss": 0.0567, "collapse": None}
        ends(service, "succeeded", {"artifact": "bridge/3", "metrics": metrics})

        result = invoke("train", "generator", "bridge", "--dataset", "adir/1")
        told = " ".join(result.stdout.split())

        assert 0 == result.exit_code
        assert "last loss 0.01234 validation loss 0.0567" in told
        assert "collapse" not in told
        assert "artifacts download generator bridge/3" in result.stderr

    def test_says_that_it_collapsed(self, invoke: Invoke, service: TinyService) -> None:
        """A training that ended well may have made a useless network."""
        metrics = {"training": {"loss_cycle": 1.5}, "validation_loss": None, "collapse": "All are alike."}
        ends(service, "succeeded", {"artifact": "rival/1", "metrics": metrics})

        told = invoke("train", "generator", "rival", "--dataset", "a/1", "--method", "cyclegan").stdout

        assert "All are alike." in told
        assert "validation" not in told

    def test_points_an_alias_at_what_it_made(self, invoke: Invoke, service: TinyService) -> None:
        """Of the generator, not of a classifier of that name."""
        ends(service, "succeeded", {"artifact": "ours/3"})
        path = "/v1/artifacts/generator/ours/aliases/production"
        service.first("PUT", path, Answer(body={"kind": "generator", "name": "ours", "version": 3}))

        result = invoke("train", "generator", "ours", "--dataset", "adir/1", "--alias", "production")

        assert 0 == result.exit_code
        assert {"version": 3} == json.loads(service.seen("PUT", path)[0].body)

    @pytest.mark.parametrize("arguments", [["--dataset", "a/1", "--alias", "x", "--no-wait"], []])
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """An alias needs the end of the training; a data set is needed always."""
        assert 2 == invoke("train", "generator", "ours", *arguments).exit_code
        assert [] == service.requests
