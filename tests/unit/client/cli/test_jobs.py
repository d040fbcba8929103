from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from client.watching import JobWatch
from tests.fakes.tiny_service import Answer, TinyService, job, problem

Invoke = Callable[..., Result]


class TestRun:
    def test_submits_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options and --param become the job's parameters; JSON keeps its types."""
        result = invoke(
            "run", "diagnostic", "-p", "items=3", "-p", "name=x", "--external-id", "LIMS-7", "--json"
        )

        body = json.loads(service.seen("POST", "/v1/jobs")[0].body)
        assert body == {"kind": "diagnostic", "items": 3, "name": "x", "external_id": "LIMS-7"}
        assert (result.exit_code, json.loads(result.stdout)["id"]) == (0, "job_new")

    @pytest.mark.parametrize(
        ("status", "code"), [("succeeded", 0), ("partial", 3), ("failed", 1), ("cancelled", 1)]
    )
    def test_the_end_of_the_job_is_the_exit_code(
        self, invoke: Invoke, service: TinyService, status: str, code: int
    ) -> None:
        """With --wait a script can branch on how the job ended."""
        service.jobs["job_new"] = [job("job_new", "running"), job("job_new", status)]

        assert invoke("run", "-s", "S1", "--wait").exit_code == code

    def test_refuses_a_param_without_value(self, invoke: Invoke) -> None:
        """A typing error is named."""
        result = invoke("run", "-p", "items")

        assert result.exit_code == 2
        assert "'items' must look like name=value" in result.stderr


class TestWatch:
    def test_json_has_a_line_per_change(self, invoke: Invoke, service: TinyService) -> None:
        """Each line is a job, the last one its end."""
        service.jobs["job_1"] = [
            job("job_1", "queued"),
            job("job_1", "running", 2),
            job("job_1", "succeeded", 4),
        ]

        result = invoke("watch", "job_1", "--json")

        states = [json.loads(line)["status"] for line in result.stdout.splitlines()]
        assert states == ["queued", "running", "succeeded"]

    def test_ctrl_c_leaves_the_job_running(
        self, invoke: Invoke, service: TinyService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is cancelled, and the message says so."""
        service.jobs["job_1"] = [job("job_1", "running")]

        def interrupted(_watch: JobWatch) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(JobWatch, "_events", interrupted)

        result = invoke("watch", "job_1")

        assert result.exit_code == 130
        assert "the work goes on: job_1" in result.stderr
        assert [request.method for request in service.requests] == ["GET"]

    def test_says_why_a_job_failed(self, invoke: Invoke, service: TinyService) -> None:
        """Code and detail of the problem are shown."""
        error = {"code": "all_items_failed", "title": "T", "detail": "No image could be read."}
        service.jobs["job_1"] = [job("job_1", "failed", error=error)]

        result = invoke("watch", "job_1")

        assert result.exit_code == 1
        assert "all_items_failed: No image could be read." in result.stdout

    def test_an_unknown_job_is_a_refusal(self, invoke: Invoke) -> None:
        """404 ends with 5."""
        assert invoke("watch", "job_none").exit_code == 5


class TestJobs:
    def test_lists_jobs(self, invoke: Invoke, service: TinyService) -> None:
        """Filters travel to the service; the table has a row per job."""
        service.jobs = {name: [job(name, "succeeded")] for name in ("job_1", "job_2", "job_3")}

        result = invoke("jobs", "list", "--kind", "segmentation")

        assert {"job_1", "job_2", "job_3"} <= set(result.stdout.split())
        assert service.requests[0].query["kind"] == "segmentation"

    def test_shows_items(self, invoke: Invoke, service: TinyService) -> None:
        """One row per input, with its error."""
        service.items["job_1"] = [
            {
                "position": 0,
                "input_id": "img_1",
                "status": "failed",
                "error": {"code": "x", "detail": "Blurred."},
            }
        ]

        assert "Blurred." in invoke("jobs", "items", "job_1").stdout
        assert json.loads(invoke("jobs", "items", "job_1", "--json").stdout)[0]["input_id"] == "img_1"

    @pytest.mark.parametrize("command", ["cancel", "retry"])
    def test_cancels_and_retries(self, invoke: Invoke, service: TinyService, command: str) -> None:
        """Both are POSTs to the job."""
        service.jobs["job_1"] = [job("job_1", "queued")]

        assert invoke("jobs", command, "job_1").exit_code == 0
        assert len(service.seen("POST", f"/v1/jobs/job_1/{command}")) == 1

    def test_shows_no_control_characters(self, invoke: Invoke, service: TinyService) -> None:
        """Names from elsewhere cannot steer the terminal."""
        service.jobs["job_1"] = [job("job_1", "succeeded", external_id="\x1b[2Jgone[red]")]

        stdout = invoke("jobs", "list").stdout

        assert "\x1b" not in stdout
        assert "gone[red]" in stdout


class TestExits:
    def test_no_answer_ends_with_4(self, invoke: Invoke) -> None:
        """With advice, and without a traceback."""
        result = invoke("--url", "http://127.0.0.1:9", "jobs", "list")

        assert result.exit_code == 4
        assert "make serve" in result.stderr

    @pytest.mark.parametrize(("status", "code"), [(503, 4), (429, 4), (500, 4), (403, 5), (422, 5)])
    def test_statuses_become_codes(
        self, invoke: Invoke, service: TinyService, status: int, code: int
    ) -> None:
        """Unavailable and refused are told apart."""
        service.first("GET", "/v1/jobs", problem(status, "some_code"))

        assert invoke("jobs", "list").exit_code == code

    def test_wrong_usage_ends_with_2(self, invoke: Invoke) -> None:
        """An unknown option is not a failure of the service."""
        assert invoke("jobs", "list", "--nonsense").exit_code == 2

    def test_help_names_the_codes(self, invoke: Invoke) -> None:
        """Whoever writes a script finds them."""
        assert "3 some items failed" in " ".join(invoke("--help").stdout.split()).replace("│ ", "")


class TestHealth:
    def test_says_that_all_is_there(self, invoke: Invoke) -> None:
        """Ready ends with 0."""
        result = invoke("health")

        assert result.exit_code == 0
        assert "database" in result.stdout

    def test_says_what_is_away(self, invoke: Invoke, service: TinyService) -> None:
        """A missing part is named, and the code is 4."""
        parts = [{"name": "broker", "ok": False, "detail": "refused"}]
        service.first("GET", "/readyz", Answer(503, {"ready": False, "parts": parts}))

        result = invoke("health")

        assert result.exit_code == 4
        assert "away: refused" in result.stdout
