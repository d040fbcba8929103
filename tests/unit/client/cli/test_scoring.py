from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, job, problem

Invoke = Callable[..., Result]

HEAD = "crop_id,filename,label,flags,classifier,predicted_class,probability,annotated_class\r\n"
ROWS = (
    "crop_1,m0,7,touching,c/1,aberration,0.5,\r\n"
    "crop_2,m0,8,,c/1,normal,0.1,\r\n"
    "crop_3,m1,9,,c/1,aberration,0.875,normal\r\n"
)
RESULT = {"images": 2, "crops": 3, "threshold": 0.5}


@pytest.fixture
def scored(service: TinyService) -> TinyService:
    """A service whose next job ends well, with two flagged crops of three."""
    ends(service, "succeeded", result=RESULT)
    service.first("GET", "/v1/jobs/job_new/predictions.csv", Answer(body=(HEAD + ROWS).encode()))
    return service


def ends(service: TinyService, status: str, **members: Any) -> None:
    """Make the next job end so."""
    done = job("job_new", status, artifacts={"classifier": "c/1"}, **members)
    service.jobs["job_new"] = [job("job_new", "running"), done]


def submitted(service: TinyService) -> dict[str, Any]:
    """The body of the job that was submitted."""
    (request,) = service.seen("POST", "/v1/jobs")
    body: dict[str, Any] = json.loads(request.body)
    return body


class TestScore:
    def test_lists_flagged_chromosomes_most_suspicious_first(
        self, invoke: Invoke, scored: TinyService
    ) -> None:
        """What is normal is counted and not listed."""
        result = invoke("score", "-s", "S1")

        assert submitted(scored) == {"kind": "scoring", "sample": "S1"}
        lines = [line.split()[0] for line in result.stdout.splitlines()]
        assert lines == ["crop", "crop_3", "crop_1"]
        assert "2 of 3 chromosomes in 2 images flagged by c/1, from a probability of 0.5 on." in result.stderr
        assert result.exit_code == 0

    def test_uploads_what_is_named_and_scores_just_that(
        self, invoke: Invoke, scored: TinyService, tmp_path: Path
    ) -> None:
        """Other images of the sample are left alone; a rejected file is named and makes it partial."""
        for name, content in (("a.tif", b"a"), ("b.tif", b"bad")):
            (tmp_path / name).write_bytes(content)

        result = invoke("score", tmp_path, "-s", "S1", "--classifier", "c/production", "--threshold", "0.5")

        assert submitted(scored) == {
            "kind": "scoring",
            "image_ids": ["img_0000"],
            "classifier": "c/production",
            "threshold": 0.5,
        }
        assert "b.tif was rejected: b.tif is cut short." in result.stderr
        assert result.exit_code == 3

    def test_scores_nothing_if_every_file_was_rejected(
        self, invoke: Invoke, service: TinyService, tmp_path: Path
    ) -> None:
        """The sample's older images must not be scored in their place."""
        (tmp_path / "b.tif").write_bytes(b"bad")

        assert invoke("score", tmp_path, "-s", "S1").exit_code == 5
        assert service.seen("POST", "/v1/jobs") == []

    @pytest.mark.usefixtures("scored")
    def test_json_holds_job_and_flagged(self, invoke: Invoke) -> None:
        """A program reads one document."""
        told = json.loads(invoke("score", "-s", "S1", "--json").stdout)

        assert told["job"]["status"] == "succeeded"
        assert [row["crop_id"] for row in told["flagged"]] == ["crop_3", "crop_1"]

    def test_says_why_it_failed(self, invoke: Invoke, service: TinyService) -> None:
        """No table is asked for then."""
        ends(service, "failed", error={"code": "all_items_failed", "detail": "No image could be read."})

        result = invoke("score", "-s", "S1")

        assert result.exit_code == 1
        assert "No image could be read." in result.stdout

    def test_leaves_early_on_request(self, invoke: Invoke, service: TinyService) -> None:
        """With --no-wait the job's id is all there is."""
        result = invoke("score", "-s", "S1", "--no-wait")

        assert (result.exit_code, "job_new" in result.stdout) == (0, True)
        assert [request.method for request in service.requests] == ["POST"]

    def test_a_missing_classifier_is_a_refusal(self, invoke: Invoke, service: TinyService) -> None:
        """With the service's advice."""
        service.first("POST", "/v1/jobs", problem(404, "not_found", "There is no classifier of that name."))

        result = invoke("score", "-s", "S1")

        assert result.exit_code == 5
        assert "There is no classifier" in result.stderr

    def test_channels_without_files_are_wrong_usage(self, invoke: Invoke, service: TinyService) -> None:
        """They would have no effect on what is stored."""
        assert invoke("score", "-s", "S1", "--dapi", "*D.tif").exit_code == 2
        assert service.requests == []


class TestClassify:
    @pytest.mark.parametrize(
        ("arguments", "selection"),
        [
            (["crop_1", "crop_3"], {"crop_ids": ["crop_1", "crop_3"]}),
            (["--job", "job_1"], {"job_id": "job_1"}),
            (["--batch", "batch_1"], {"batch_id": "batch_1"}),
            (["-s", "S1"], {"sample": "S1"}),
            (["--dataset", "adir/1"], {"dataset": "adir/1"}),
        ],
    )
    def test_takes_one_selection(
        self, invoke: Invoke, scored: TinyService, arguments: list[str], selection: dict[str, Any]
    ) -> None:
        """Crops, or all of a job, batch, sample or data set."""
        result = invoke("classify", *arguments)

        assert submitted(scored) == {"kind": "classification", **selection}
        assert "crop_3" in result.stdout

    @pytest.mark.parametrize("arguments", [[], ["crop_1", "--job", "job_1"], ["-s", "S1", "--batch", "b"]])
    def test_none_or_two_are_wrong_usage(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """Nothing is sent."""
        assert invoke("classify", *arguments).exit_code == 2
        assert service.requests == []
