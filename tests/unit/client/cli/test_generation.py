from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, job, png, problem

Invoke = Callable[..., Result]

STRIP = "/v1/jobs/job_new/samples.png"
REPORT = "/v1/jobs/job_new/quality"
QUALITY = {
    "job_id": "job_new",
    "compared_with": "adir/1",
    "classifier": None,
    "figures": {"memorisation": {"copies": 1, "copies_share": 0.25, "threshold": 0.9}},
    "pictures": {"copies": f"{REPORT}/copies.png"},
}
RESULT = {"crops": 4, "sources": 2, "generator": "bridge/3", "links": {"samples": STRIP}}


def ends(service: TinyService, status: str, **members: Any) -> None:
    """Make the next job end so."""
    done = job("job_new", status, artifacts={"generator": "bridge/3"}, **members)
    service.jobs["job_new"] = [job("job_new", "running"), done]


@pytest.fixture
def generated(service: TinyService) -> TinyService:
    """A service whose next job makes four crops and a report."""
    inputs = {"left_out": {"excluded": 3}, "sampling": {"sampler": "dbim", "steps": 10}}
    ends(service, "succeeded", inputs=inputs, result={**RESULT, "quality": {"status": "made"}})
    service.first("GET", REPORT, Answer(body=QUALITY))
    for path in (STRIP, f"{REPORT}/copies.png"):
        service.first("GET", path, Answer(body=png(4, 4)))
    return service


def submitted(service: TinyService) -> dict[str, Any]:
    """The body of the job that was submitted."""
    (request,) = service.seen("POST", "/v1/jobs")
    body: dict[str, Any] = json.loads(request.body)
    return body


class TestGenerate:
    @pytest.mark.parametrize(
        ("arguments", "selection"),
        [
            (["crop_1", "crop_3"], {"crop_ids": ["crop_1", "crop_3"]}),
            (["--job", "job_1"], {"job_id": "job_1"}),
            (["--dataset", "adir/1"], {"dataset": "adir/1"}),
        ],
    )
    def test_takes_one_selection(
        self, invoke: Invoke, generated: TinyService, arguments: list[str], selection: dict[str, Any]
    ) -> None:
        """Crops, or all of a job or data set; everything else is the service's own default."""
        result = invoke("generate", *arguments)

        assert {"kind": "generation", **selection} == submitted(generated)
        assert 0 == result.exit_code

    def test_submits_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options and --param become the job's parameters, under the contract's names."""
        result = invoke(
            *(
                "generate",
                "--dataset",
                "adir/1",
                "--split",
                "train",
                "--split",
                "val",
                "--class",
                "unlabelled",
            ),
            *("--max-sources", 50, "--samples", 4, "--generator", "bridge/production", "--sampler", "dbim"),
            *(
                "--steps",
                10,
                "--seed",
                7,
                "--no-quality",
                "-p",
                "order=3",
                "--external-id",
                "X-1",
                "--no-wait",
            ),
        )

        assert {
            "kind": "generation",
            "dataset": "adir/1",
            "splits": ["train", "val"],
            "classes": ["unlabelled"],
            "max_sources": 50,
            "samples_per_source": 4,
            "generator": "bridge/production",
            "sampler": "dbim",
            "steps": 10,
            "seed": 7,
            "quality": False,
            "order": 3,
            "external_id": "X-1",
        } == submitted(service)
        assert (0, True) == (result.exit_code, "job_new" in result.stdout)

    def test_tells_what_was_made_and_how_good_it_is(self, invoke: Invoke, generated: TinyService) -> None:
        """How many, by which generator, what was left out, where to look, and the report in words."""
        told = " ".join(invoke("generate", "--job", "job_1").stdout.split())

        for fact in (
            "synthetic crops 4 from 2 sources",
            "left out 3 excluded",
            "generator bridge/3",
            "sampling sampler dbim, steps 10",
            f"samples {generated.url}{STRIP}",
            "compared synthetic crops with training aberrations of adir/1",
            "copies 1 (25.0%) so near to a real crop",
            "embeddings not compared: no classifier",
        ):
            assert fact in told

    @pytest.mark.usefixtures("generated")
    def test_saves_pictures_and_figures(self, invoke: Invoke, tmp_path: Path) -> None:
        """In one folder; JSON names the files."""
        result = invoke("generate", "--job", "job_1", "--out", tmp_path / "out", "--json")
        told = json.loads(result.stdout)

        assert ("succeeded", "adir/1") == (told["job"]["status"], told["quality"]["compared_with"])
        assert [
            str(tmp_path / "out" / name) for name in ("samples.png", "quality.json", "quality/copies.png")
        ] == told["files"]
        assert all(Path(file).is_file() for file in told["files"])

    @pytest.mark.parametrize(
        ("quality", "words"),
        [
            ({"status": "skipped", "reason": "Name a data set."}, "no report: Name a data set."),
            ({"status": "failed", "reason": "Too dark."}, "no report (failed): Too dark."),
            (None, "no report: it was not asked for"),
        ],
    )
    def test_says_why_there_is_no_report(
        self, invoke: Invoke, service: TinyService, tmp_path: Path, quality: Any, words: str
    ) -> None:
        """The crops are there all the same, and so is their strip."""
        ends(service, "succeeded", result={**RESULT, "quality": quality})
        service.first("GET", STRIP, Answer(body=png(4, 4)))

        result = invoke("generate", "--job", "job_1", "--out", tmp_path)

        assert 0 == result.exit_code
        assert words in result.stdout
        assert ["samples.png"] == [path.name for path in tmp_path.iterdir()]

    def test_says_why_it_failed(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """Nothing is saved, for nothing was made."""
        ends(
            service,
            "failed",
            error={"code": "all_items_failed", "detail": "The pack is damaged."},
            result=None,
        )

        result = invoke("generate", "--job", "job_1", "--out", tmp_path)

        assert 1 == result.exit_code
        assert "The pack is damaged." in result.stdout
        assert [] == list(tmp_path.iterdir())

    def test_a_refusal_has_the_services_advice(self, invoke: Invoke, service: TinyService) -> None:
        """For example of a parameter that the generator does not have."""
        service.first("POST", "/v1/jobs", problem(422, "invalid_input", "steps means nothing to painted/1."))

        result = invoke("generate", "--job", "job_1", "--steps", 10)

        assert 5 == result.exit_code
        assert "steps means nothing to painted/1." in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [[], ["crop_1", "--job", "job_1"], ["--job", "j", "--dataset", "a/1"], ["--job", "j", "-p", "x"]],
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """Exactly one selection, and parameters with values."""
        assert 2 == invoke("generate", *arguments).exit_code
        assert [] == service.requests

    def test_saving_needs_the_end(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """And the message says what to do instead."""
        result = invoke("generate", "--job", "job_1", "--no-wait", "--out", tmp_path)

        assert 2 == result.exit_code
        assert "use `quality` later" in result.stderr
        assert [] == service.requests


class TestQuality:
    @pytest.mark.usefixtures("generated")
    def test_tells_a_report_and_saves_it(self, invoke: Invoke, tmp_path: Path) -> None:
        """Of a job that ended long ago."""
        result = invoke("quality", "job_new", "--out", tmp_path)

        assert 0 == result.exit_code
        assert "1 (25.0%) so near to a real crop" in result.stdout
        assert {"samples.png", "quality.json", "quality"} == {path.name for path in tmp_path.iterdir()}

    @pytest.mark.usefixtures("generated")
    def test_json_is_the_report(self, invoke: Invoke) -> None:
        """With all its figures."""
        assert {"quality": QUALITY, "files": []} == json.loads(invoke("quality", "job_new", "--json").stdout)

    def test_says_why_there_is_none(self, invoke: Invoke, service: TinyService) -> None:
        """In the service's words."""
        service.first("GET", REPORT, problem(404, "quality_missing", "Job job_new has none: it runs still."))

        result = invoke("quality", "job_new")

        assert 5 == result.exit_code
        assert "it runs still" in result.stderr
