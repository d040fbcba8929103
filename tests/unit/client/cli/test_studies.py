from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from client.cli.output import duration
from client.cli.study_tables import sentence_of
from client.operations.studies import REPORT_FILES
from tests.fakes.tiny_service import Answer, TinyService, job, problem

Invoke = Callable[..., Result]

PLANNED: dict[str, Any] = {
    "dataset": "adir/1",
    "size": "cpu",
    "runs": 2,
    "steps": [
        {"kind": "run", "title": "a", "condition": "all", "cached": True, "estimated_seconds": 0.0},
        {"kind": "run", "title": "b", "condition": "all", "cached": False, "estimated_seconds": 300.0},
        {"kind": "generator", "title": "c", "condition": "all", "cached": False, "estimated_seconds": None},
    ],
    "computed": 2,
    "from_cache": 1,
    "estimated_seconds": None,
    "basis": "measured by study s/1 on cpu",
    "conditions": {"all": {"train": {"normal": 30, "aberration": 20, "groups": ["a", "b"]}}},
    "earlier_studies": ["s/1"],
    "warnings": ["The test split was looked at before."],
    "unfinished_job": None,
}
HEADLINE: dict[str, Any] = {
    "arm": "augmented-bbdm-filtered",
    "reference": "augmented",
    "split": "test",
    "unit": "crops",
    "metric": "f1",
    "difference": 0.0213,
    "both": [-0.012, 0.055],
    "verdict": "no difference shown",
}
SENTENCE = (
    "augmented-bbdm-filtered against augmented: f1 of test crops +0.021 (95 % interval -0.012 to +0.055), "
    "no difference shown"
)
ENDED = {"artifact": "adir/3", "headline": HEADLINE}


def words(result: Result) -> str:
    """What was printed, a space between any two words."""
    return " ".join(result.stdout.split())


def sent(service: TinyService, path: str) -> dict[str, Any]:
    """The body of the one request that was sent there."""
    (request,) = service.seen("POST", path)
    body: dict[str, Any] = json.loads(request.body)
    return body


@pytest.fixture
def studied(service: TinyService) -> TinyService:
    """A service whose next job is a study that ends well."""
    service.first("POST", "/v1/studies/plan", Answer(body=PLANNED))
    service.jobs["job_new"] = [job("job_new", "running"), job("job_new", "succeeded", result=ENDED)]
    for name in REPORT_FILES:
        service.first("GET", f"/v1/artifacts/study/adir/3/{name}", Answer(body=name.encode()))
    return service


class TestPlan:
    def test_sends_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options become parameters; sets and generators are read from their short forms."""
        service.first("POST", "/v1/studies/plan", Answer(body=PLANNED))
        result = invoke(
            *("study", "plan", "mine", "--dataset", "adir/1", "--size", "cpu", "--arm", "real"),
            *("--arm", "augmented", "--seeds", 3, "--seed", 7, "--leave-out", "C15=A,B", "--aberrations", 50),
            *("--generator", "bbdm=bridge/2", "--generator", "without-C15:bbdm=bridge/3"),
            *("--steps", 90, "-p", "level=0.5"),
        )

        assert 0 == result.exit_code
        assert {
            "name": "mine",
            "dataset": "adir/1",
            "size": "cpu",
            "arms": ["real", "augmented"],
            "num_seeds": 3,
            "seed": 7,
            "leave_out": {"C15": ["A", "B"]},
            "aberration_counts": [50],
            "generators": {"all": {"bbdm": "bridge/2"}, "without-C15": {"bbdm": "bridge/3"}},
            "steps": 90,
            "level": 0.5,
        } == sent(service, "/v1/studies/plan")
        assert [] == service.seen("POST", "/v1/jobs")

    def test_tells_work_time_and_data(self, invoke: Invoke, service: TinyService) -> None:
        """Where nobody knows the time it says so, and still tells that of what is known."""
        service.first("POST", "/v1/studies/plan", Answer(body=PLANNED))
        told = words(invoke("study", "plan", "--dataset", "adir/1"))

        for fact in (
            "networks 2",
            "2 to compute, 1 done before",
            "unknown (measured by study s/1 on cpu)",
            "all run 2 1 5 min",
            "all generator 1 0 -",
            "all train 30 20 2",
            "warning The test split was looked at before.",
        ):
            assert fact in told

    def test_as_json(self, invoke: Invoke, service: TinyService) -> None:
        """The service's own answer."""
        service.first("POST", "/v1/studies/plan", Answer(body=PLANNED))

        assert PLANNED == json.loads(invoke("study", "plan", "--dataset", "adir/1", "--json").stdout)

    @pytest.mark.parametrize(
        "option",
        [
            ("--leave-out", "C15"),
            ("--leave-out", "=A"),
            ("--leave-out", "C15=A,,B"),
            ("--generator", "bbdm"),
            ("--generator", "all:=bridge/2"),
        ],
    )
    def test_refuses_what_it_cannot_read(
        self, invoke: Invoke, service: TinyService, option: tuple[str, str]
    ) -> None:
        """Nothing is sent."""
        result = invoke("study", "plan", "--dataset", "adir/1", *option)

        assert (2, []) == (result.exit_code, service.requests)
        assert "must look like" in result.stderr


class TestRun:
    def test_plans_runs_and_saves_the_report(
        self, invoke: Invoke, studied: TinyService, tmp_path: Path
    ) -> None:
        """A study without a name is called like its data set; a script is not asked."""
        result = invoke("study", "run", "--dataset", "adir/1", "--size", "cpu", "--out", tmp_path / "r")

        assert 0 == result.exit_code
        body = {"name": "adir", "dataset": "adir/1", "size": "cpu"}
        assert body == sent(studied, "/v1/studies/plan")
        assert {"kind": "study", **body} == sent(studied, "/v1/jobs")
        assert sorted(REPORT_FILES) == sorted(path.name for path in (tmp_path / "r").iterdir())
        assert f"result {SENTENCE}" in words(result)
        assert str(tmp_path / "r" / "report.html") in words(result)

    def test_where_the_report_goes(
        self, invoke: Invoke, studied: TinyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beside one of another version if nobody says."""
        monkeypatch.chdir(tmp_path)
        result = invoke("study", "run", "--dataset", "adir/1", "--json")

        assert str(Path("adir-3") / "report.pdf") in json.loads(result.stdout)["files"]
        assert (tmp_path / "adir-3" / "report.pdf").is_file()
        assert "looked at before" in result.stderr
        assert studied.seen("POST", "/v1/jobs")

    def test_follows_the_same_study(self, invoke: Invoke, studied: TinyService, tmp_path: Path) -> None:
        """One that is at work already is not started twice."""
        studied.script["POST", "/v1/studies/plan"] = [Answer(body=PLANNED | {"unfinished_job": "job_new"})]
        result = invoke("study", "run", "--dataset", "adir/1", "--out", tmp_path)

        assert 0 == result.exit_code
        assert [] == studied.seen("POST", "/v1/jobs")
        assert "job_new is at work on this very study" in result.stderr

    def test_without_waiting(self, invoke: Invoke, studied: TinyService) -> None:
        """The job is told, and nothing is saved."""
        result = invoke("study", "run", "--dataset", "adir/1", "--no-wait")

        assert (0, True) == (result.exit_code, "job_new" in words(result))
        assert not [one for one in studied.requests if "artifacts" in one.path]

    def test_out_needs_the_end(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """There would be nothing to save."""
        result = invoke("study", "run", "--dataset", "adir/1", "--no-wait", "--out", tmp_path)

        assert (2, []) == (result.exit_code, service.requests)

    def test_says_why_it_failed(self, invoke: Invoke, studied: TinyService, tmp_path: Path) -> None:
        """With the service's words, and without files."""
        error = {"code": "invalid_input", "detail": "Training has 1 aberration."}
        studied.jobs["job_new"] = [job("job_new", "failed", error=error, result={})]
        result = invoke("study", "run", "--dataset", "adir/1", "--out", tmp_path)

        assert (1, True) == (result.exit_code, "Training has 1 aberration." in result.stdout)
        assert not list(tmp_path.iterdir())

    def test_what_cannot_run_is_not_submitted(self, invoke: Invoke, service: TinyService) -> None:
        """The plan's refusal ends it."""
        service.first("POST", "/v1/studies/plan", problem(422, "invalid_input", "No such group."))
        result = invoke("study", "run", "--dataset", "adir/1")

        assert (5, True) == (result.exit_code, "No such group." in result.stderr)
        assert [] == service.seen("POST", "/v1/jobs")


class TestReport:
    def test_is_saved(self, invoke: Invoke, studied: TinyService, tmp_path: Path) -> None:
        """Again, whenever somebody wants it."""
        result = invoke("study", "report", "adir/3", "--out", tmp_path / "again", "--json")

        assert [str(tmp_path / "again" / name) for name in REPORT_FILES] == json.loads(result.stdout)["files"]
        assert [] == studied.seen("POST", "/v1/jobs")

    @pytest.mark.parametrize("study", ["adir", "../x/1", "a/b/c"])
    def test_of_what_is_no_study(self, invoke: Invoke, service: TinyService, study: str) -> None:
        """Nothing is asked for, and nothing written elsewhere."""
        assert 2 == invoke("study", "report", study).exit_code
        assert [] == service.requests


class TestList:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({}, SENTENCE),
            ({"simulated": True}, "(simulated data)"),
            ({"proves_nothing": True}, "proves nothing (quick)"),
            ({"headline": {}}, "nothing was compared"),
        ],
    )
    def test_tells_results(
        self, invoke: Invoke, service: TinyService, changes: dict[str, Any], told: str
    ) -> None:
        """In one line, and never more than they prove."""
        study = {"name": "adir", "version": 3, "dataset": "adir/1", "size": "cpu", "headline": HEADLINE}
        service.first("GET", "/v1/studies", Answer(body={"items": [study | changes], "next_cursor": None}))

        assert told in words(invoke("study", "list"))


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "told"),
        [
            (0.4, "0 s"),
            (89, "89 s"),
            (90, "2 min"),
            (7140, "119 min"),
            (7200, "2 h 0 min"),
            (12_000, "3 h 20 min"),
            (172_800, "2 d 0 h"),
            (360_000, "4 d 4 h"),
        ],
    )
    def test_durations(self, seconds: float, told: str) -> None:
        """No more exact than anybody needs."""
        assert told == duration(seconds)

    def test_result_without_an_interval(self) -> None:
        """One network per arm has none."""
        assert sentence_of(HEADLINE | {"both": None, "verdict": None}).endswith("f1 of test crops +0.021")
