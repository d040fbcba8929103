from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.errors import InvalidArgumentError, ProblemError, UnexpectedAnswerError
from client.http import Client
from client.operations.studies import REPORT_FILES
from tests.fakes.tiny_service import Answer, TinyService, problem

PLAN = "/v1/studies/plan"
STEP = {"kind": "run", "title": "Real", "condition": "all", "cached": True, "estimated_seconds": 0.0}
PLANNED: dict[str, Any] = {
    "dataset": "adir/1",
    "size": "cpu",
    "runs": 1,
    "steps": [STEP],
    "computed": 0,
    "from_cache": 1,
    "estimated_seconds": 0.0,
    "basis": "measured here",
    "conditions": {"all": {"train": {"normal": 3, "aberration": 2, "groups": ["a"]}}},
    "earlier_studies": ["s/1"],
    "warnings": ["Look."],
    "unfinished_job": None,
}
STUDY: dict[str, Any] = {
    "name": "s",
    "version": 1,
    "dataset": "adir/1",
    "size": "cpu",
    "proves_nothing": False,
    "simulated": False,
    "headline": {"difference": 0.01},
    "job_id": "job_1",
    "created_at": "2026-11-02T16:40:00Z",
    "links": {"report": "/v1/artifacts/study/s/1/report.html"},
}


class TestPlan:
    def test_is_read_whole(self, client: Client, service: TinyService) -> None:
        """What is None is the service's own."""
        service.first("POST", PLAN, Answer(body=PLANNED))

        assert PLANNED == client.plan_study(name="s", dataset="adir/1", size=None).as_json()
        assert {"name": "s", "dataset": "adir/1"} == json.loads(service.requests[-1].body)

    def test_refusal_is_the_services_word(self, client: Client, service: TinyService) -> None:
        """With its advice."""
        service.first("POST", PLAN, problem(422, "invalid_input", "The data set has no group 'x'."))

        with pytest.raises(ProblemError, match="no group 'x'"):
            client.plan_study(name="s", dataset="adir/1")

    def test_answer_without_steps_is_none(self, client: Client, service: TinyService) -> None:
        """Something else answered."""
        service.first("POST", PLAN, Answer(body={"dataset": "adir/1"}))

        with pytest.raises(UnexpectedAnswerError, match="runs"):
            client.plan_study(name="s", dataset="adir/1")


class TestList:
    def test_follows_its_cursor(self, client: Client, service: TinyService) -> None:
        """All pages, in order."""
        pages = [
            Answer(body={"items": [STUDY], "next_cursor": "c"}),
            Answer(body={"items": [{**STUDY, "version": 2}], "next_cursor": None}),
        ]
        service.first("GET", "/v1/studies", *pages)
        found = list(client.studies())

        assert ["s/1", "s/2"] == [study.ref for study in found]
        assert STUDY == found[0].as_json()


class TestReport:
    def test_is_saved_with_its_tables(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Every file, byte for byte."""
        for name in REPORT_FILES:
            service.first("GET", f"/v1/artifacts/study/s/1/{name}", Answer(body=name.encode()))
        files = client.download_study("s/1", tmp_path / "out")

        assert list(REPORT_FILES) == [file.name for file in files]
        assert list(REPORT_FILES) == [file.read_text() for file in files]

    @pytest.mark.parametrize("ref", ["s", "s/", "/1", ""])
    def test_needs_a_version(self, client: Client, service: TinyService, tmp_path: Path, ref: str) -> None:
        """A study has no production version that could be meant."""
        with pytest.raises(InvalidArgumentError, match="name/version"):
            client.download_study(ref, tmp_path)

        assert [] == service.requests

    def test_of_an_unknown_study(self, client: Client, tmp_path: Path) -> None:
        """Leaves nothing behind."""
        with pytest.raises(ProblemError, match="404"):
            client.download_study("s/9", tmp_path / "out")

        assert not list(tmp_path.rglob("*.*"))
