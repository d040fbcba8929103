from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, job, png, problem

Invoke = Callable[..., Result]

FILTERING = "/v1/jobs/job_new/filtering"
COUNT = {"before": 10, "after": 4, "share": 0.4}
COUNTS: dict[str, Any] = {
    "job_id": "job_new",
    "filter": "ours/2",
    "level": 0.7,
    "max_percentile": None,
    "decided": True,
    **COUNT,
    "by_origin": {"generated": COUNT},
    "by_class": {"unlabelled": COUNT},
    "links": {"map": "/v1/jobs/job_new/map.html#level=0.7&max_percentile=off"},
}
SCORE = {"x": 1.5, "y": -2.0, "needed_level": 0.25, "knn_percentile": 40.0, "kept": True}
DIFFERENCE: dict[str, Any] = {
    "first": "ours/1",
    "second": "ours/2",
    "difference": {
        "parameters": {"level": [0.7, 0.8], "level_reason": ["a", "b"]},
        "verdicts": {"rows": 1000, "newly_kept": 0.07, "newly_rejected": 0.0},
    },
}
RESULT = {"level": 0.7, "crops": 10, "links": {"map": "/v1/jobs/job_new/map.html"}}


def ends(service: TinyService, status: str, **members: Any) -> None:
    """Make the next job end so."""
    service.jobs["job_new"] = [job("job_new", "running"), job("job_new", status, **members)]


def submitted(service: TinyService) -> dict[str, Any]:
    """The body of the job that was submitted."""
    (request,) = service.seen("POST", "/v1/jobs")
    body: dict[str, Any] = json.loads(request.body)
    return body


def words(result: Result) -> str:
    """What was printed, a space between any two words."""
    return " ".join(result.stdout.split())


@pytest.fixture
def filtered(service: TinyService) -> TinyService:
    """A service whose next job filters ten crops."""
    ends(service, "succeeded", result=RESULT)
    service.first("GET", FILTERING, Answer(body=COUNTS))
    service.first("GET", "/v1/jobs/job_new/filter_scores.csv", Answer(body=b"crop_id\r\n"))
    for kind in ("html", "png"):
        service.first("GET", f"/v1/jobs/job_new/map.{kind}", Answer(body=png(2, 2)))
    return service


class TestFit:
    def test_submits_what_was_asked_for(self, invoke: Invoke, service: TinyService) -> None:
        """Options become the job's parameters; numbers stay numbers and words words."""
        result = invoke(
            *("filter", "fit", "ours", "--dataset", "adir/1", "--classifier", "c/1", "--method", "umap"),
            *("--level", "0.8", "--components", "bic", "--max-percentile", 99, "--leave-out", "7"),
            *("--normal-ratio", "12", "--seed", 3, "-p", "min_dist=0.2", "--no-wait"),
        )

        assert {
            "kind": "filter_fitting",
            "name": "ours",
            "dataset": "adir/1",
            "classifier": "c/1",
            "method": "umap",
            "level": 0.8,
            "num_components": "bic",
            "max_percentile": 99,
            "normal_ratio": 12,
            "leave_out_groups": ["7"],
            "seed": 3,
            "min_dist": 0.2,
        } == submitted(service)
        assert 0 == result.exit_code

    @pytest.mark.parametrize("level", ["NaN", "Infinity", "-Infinity"])
    def test_a_level_that_is_no_number(self, invoke: Invoke, service: TinyService, level: str) -> None:
        """Python reads these as JSON, and JSON has none of them: nothing is sent."""
        result = invoke("filter", "fit", "ours", "--dataset", "adir/1", f"--level={level}")

        assert (2, []) == (result.exit_code, service.requests)
        assert "not finite" in result.stderr

    def test_sets_an_alias_and_says_what_is_next(self, invoke: Invoke, service: TinyService) -> None:
        """At the end, if it ended well."""
        ends(service, "succeeded", result={"artifact": "ours/3"})
        service.first("PUT", "/v1/artifacts/filter/ours/aliases/production", Answer(body={}))
        result = invoke(
            "filter", "fit", "ours", "--dataset", "adir/1", "--level", "validation", "--alias", "production"
        )
        (request,) = service.seen("PUT", "/v1/artifacts/filter/ours/aliases/production")

        assert (0, {"version": 3}) == (result.exit_code, json.loads(request.body))
        assert "validation" == submitted(service)["level"]
        assert "filter map map.html --filter ours/3" in result.stderr

    def test_says_why_it_failed(self, invoke: Invoke, service: TinyService) -> None:
        """With the service's advice."""
        ends(service, "failed", error={"code": "filter_fit_failed", "detail": "Annotate 4 more."}, result={})
        result = invoke("filter", "fit", "ours", "--dataset", "adir/1")

        assert (1, True) == (result.exit_code, "Annotate 4 more." in result.stdout)


class TestApply:
    @pytest.mark.parametrize(
        ("arguments", "selection"),
        [
            (["crop_1", "crop_3"], {"crop_ids": ["crop_1", "crop_3"]}),
            (["--job", "job_1"], {"job_id": "job_1"}),
            (["--dataset", "adir/1"], {"dataset": "adir/1"}),
        ],
    )
    def test_takes_one_selection(
        self, invoke: Invoke, filtered: TinyService, arguments: list[str], selection: dict[str, Any]
    ) -> None:
        """Crops, or all of a job or data set; everything else is the service's own default."""
        assert 0 == invoke("filter", "apply", *arguments).exit_code
        assert {"kind": "filtering", **selection} == submitted(filtered)

    @pytest.mark.usefixtures("filtered")
    def test_tells_what_is_kept(self, invoke: Invoke) -> None:
        """Before and after, at which level, by which filter."""
        told = words(invoke("filter", "apply", "--job", "job_1", "--filter", "ours/2", "--level", "0.7"))

        for fact in ("filter ours/2", "level 0.7", "distance no limit", "all 10 4 40.0%"):
            assert fact in told
        assert "unlabelled" not in told

    def test_tells_classes_and_drift(self, invoke: Invoke, service: TinyService) -> None:
        """Where there are any, and in the service's own words."""
        ends(service, "succeeded", result={**RESULT, "drift": {"warning": "Look at them."}})
        by_class = {"normal": {"before": 6, "after": 0, "share": 0.0}, "aberration": COUNT}
        service.first("GET", FILTERING, Answer(body={**COUNTS, "by_class": by_class}))
        told = words(invoke("filter", "apply", "--dataset", "adir/1"))

        for fact in ("normal 6 0 0.0%", "aberration 10 4 40.0%", "warning Look at them."):
            assert fact in told

    @pytest.mark.usefixtures("filtered")
    def test_saves_table_and_map(self, invoke: Invoke, tmp_path: Path) -> None:
        """In one folder; JSON names the files."""
        told = json.loads(invoke("filter", "apply", "--job", "j", "--out", tmp_path / "o", "--json").stdout)

        assert ("succeeded", COUNTS) == (told["job"]["status"], told["filtering"])
        assert ["filter_scores.csv", "map.html", "map.png"] == [Path(file).name for file in told["files"]]
        assert all(Path(file).is_file() for file in told["files"])

    def test_saves_what_there_is(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """A map that could not be drawn costs nobody the table."""
        ends(service, "succeeded", result={**RESULT, "links": {}})
        service.first("GET", FILTERING, Answer(body=COUNTS))
        service.first("GET", "/v1/jobs/job_new/filter_scores.csv", Answer(body=b"crop_id\r\n"))

        assert 0 == invoke("filter", "apply", "--job", "j", "--out", tmp_path).exit_code
        assert ["filter_scores.csv"] == [path.name for path in tmp_path.iterdir()]

    def test_says_why_it_failed(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """Nothing is counted or saved, for nothing was decided."""
        ends(service, "failed", error={"code": "filter_damaged", "detail": "Fit it again."}, result={})
        result = invoke("filter", "apply", "--job", "job_1", "--out", tmp_path)

        assert (1, True) == (result.exit_code, "Fit it again." in result.stdout)
        assert [] == list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["crop_1", "--job", "job_1"],
            ["--job", "j", "--dataset", "a/1"],
            ["--job", "j", "--level", "1.5"],
            ["--job", "j", "--level", "nan"],
            ["--job", "j", "--no-wait", "--out", "o"],
        ],
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """Exactly one selection, a level between 0 and 1, and files only of what has ended."""
        assert 2 == invoke("filter", "apply", *arguments).exit_code
        assert [] == service.requests


class TestLevel:
    @pytest.mark.parametrize(
        ("arguments", "query"),
        [
            ([], {}),
            ([0.5, "--dry-run"], {"level": "0.5"}),
            (["--max-percentile", 9, "--dry-run"], {"max_percentile": "9.0"}),
        ],
    )
    def test_asks(
        self, invoke: Invoke, service: TinyService, arguments: list[Any], query: dict[str, str]
    ) -> None:
        """Without a level, or with --dry-run, nothing is changed, and the answer says so."""
        service.first("GET", FILTERING, Answer(body={**COUNTS, "decided": not query}))
        result = invoke("filter", "level", "job_new", *arguments)

        assert (0, [query]) == (result.exit_code, [request.query for request in service.requests])
        assert bool(query) == ("only counted" in result.stdout)

    def test_moves(self, invoke: Invoke, service: TinyService) -> None:
        """The table is that of the new level."""
        after = {**COUNTS, "level": 0.9, "max_percentile": 95.0, "after": 9, "share": 0.9}
        service.first("PUT", FILTERING, Answer(body=after))
        result = invoke("filter", "level", "job_new", 0.9, "--max-percentile", 95)
        (request,) = service.requests

        assert {"level": 0.9, "max_percentile": 95.0} == json.loads(request.body)
        for fact in ("level 0.9", "distance percentile 95", "all 10 9 90.0%"):
            assert fact in words(result)

    def test_moves_the_limit_alone(self, invoke: Invoke, service: TinyService) -> None:
        """The level stays where it is."""
        service.first("GET", FILTERING, Answer(body=COUNTS))
        service.first("PUT", FILTERING, Answer(body=COUNTS))
        result = invoke("filter", "level", "job_new", "--max-percentile", 95, "--json")

        assert {"level": 0.7, "max_percentile": 95.0} == json.loads(service.requests[-1].body)
        assert COUNTS == json.loads(result.stdout)

    @pytest.mark.parametrize(
        "arguments", [["nan"], ["nan", "--dry-run"], ["0.5", "--dry-run", "--max-percentile", "nan"]]
    )
    def test_a_level_that_is_no_number(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """It lies within no bounds, and nothing is sent."""
        result = invoke("filter", "level", "job_new", *arguments)

        assert (2, []) == (result.exit_code, service.requests)

    def test_refusal(self, invoke: Invoke, service: TinyService) -> None:
        """In the service's words."""
        service.first("PUT", FILTERING, problem(409, "conflict", "Job job_new is running."))
        result = invoke("filter", "level", "job_new", 0.9)

        assert (5, True) == (result.exit_code, "is running" in result.stderr)


class TestScore:
    def test_lists_rows(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """One line for each embedding of the file."""
        np.save(tmp_path / "e.npy", np.zeros((2, 3), np.float32))
        answer = {
            "filter": "ours/2",
            "classifier": "c/1",
            "level": 0.7,
            "items": [SCORE, {**SCORE, "kept": False}],
        }
        service.first("POST", "/v1/artifacts/filter/ours/2/score", *[Answer(body=answer)] * 2)
        result = invoke("filter", "score", "ours/2", tmp_path / "e.npy", "--classifier", "c/1")
        as_json = json.loads(invoke("filter", "score", "ours/2", tmp_path / "e.npy", "--json").stdout)

        assert "0 yes 0.2500 40.00 1.50 -2.00 1 no 0.2500 40.00 1.50 -2.00" in words(result)
        assert ("ours/2", [True, False]) == (as_json["filter"], [one["kept"] for one in as_json["items"]])

    def test_file_that_is_none(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """Nothing is sent."""
        assert 2 == invoke("filter", "score", "ours/2", tmp_path / "e.npy").exit_code
        assert [] == service.requests


class TestMap:
    @pytest.mark.parametrize(
        ("arguments", "path"),
        [
            (["m.html", "--filter", "ours/2"], "/v1/artifacts/filter/ours/2/map.html"),
            (["m.png", "--filter", "ours"], "/v1/artifacts/filter/ours/production/plot.png"),
            (["m.html", "--job", "job_1"], "/v1/jobs/job_1/map.html"),
        ],
    )
    def test_is_saved(
        self, invoke: Invoke, service: TinyService, tmp_path: Path, arguments: list[str], path: str
    ) -> None:
        """Of a filter or of a job."""
        service.first("GET", path, Answer(body=b"map"))
        to = tmp_path / arguments[0]

        assert 0 == invoke("filter", "map", to, *arguments[1:], "--json").exit_code
        assert b"map" == to.read_bytes()

    @pytest.mark.parametrize("arguments", [[], ["--job", "j", "--filter", "f/1"]])
    def test_of_one_thing(
        self, invoke: Invoke, service: TinyService, tmp_path: Path, arguments: list[str]
    ) -> None:
        """Exactly one."""
        assert 2 == invoke("filter", "map", tmp_path / "m.html", *arguments).exit_code
        assert [] == service.requests

    def test_says_why_there_is_none(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """In the service's words."""
        service.first("GET", "/v1/jobs/j/map.png", problem(404, "map_missing", "It runs still."))
        result = invoke("filter", "map", tmp_path / "m.png", "--job", "j")

        assert (5, True) == (result.exit_code, "It runs still." in result.stderr)


class TestDiff:
    def test_tells_what_changed(self, invoke: Invoke, service: TinyService) -> None:
        """Parameters side by side, and verdicts that flip."""
        path = "/v1/artifacts/filter/ours/1/difference"
        service.first("GET", path, *[Answer(body=DIFFERENCE)] * 2)
        told = words(invoke("filter", "diff", "ours/1", "2"))

        for fact in ("newly kept 7.0%", "newly rejected 0.0%", "level 0.7 0.8", "level_reason a b"):
            assert fact in told
        assert DIFFERENCE == json.loads(invoke("filter", "diff", "ours/1", "2", "--json").stdout)
