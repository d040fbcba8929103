"""``make study`` on a service that is there, and without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from client.http import Client
from client.study.__main__ import run
from client.study.simulated import SIMULATION, SimulationFailedError, simulate
from client.watching import JobWatch
from tests.fakes.tiny_service import Answer, TinyService, job


@pytest.fixture
def named(service: TinyService, monkeypatch: pytest.MonkeyPatch) -> TinyService:
    """A service that the environment names."""
    monkeypatch.setenv("KARYOBRIDGE_URL", service.url)
    monkeypatch.delenv("KARYOBRIDGE_API_KEY", raising=False)
    return service


@pytest.fixture(autouse=True)
def no_data_sets(service: TinyService) -> None:
    """Nobody has made one yet."""
    service.first("GET", "/v1/datasets", Answer(body={"items": [], "next_cursor": None}))


class TestSimulate:
    def test_tells_the_data_set(self, client: Client, service: TinyService) -> None:
        """As its job does."""
        service.jobs["job_new"] = [job("job_new", "succeeded", result={"dataset": "simulated/1"})]

        assert "simulated/1" == simulate(client, lambda _: None)
        (request,) = service.seen("POST", "/v1/jobs")
        assert {"kind": "simulation", **SIMULATION} == json.loads(request.body)

    def test_finds_the_one_that_is_there(self, client: Client, service: TinyService) -> None:
        """Its own, by name and description; nothing is submitted, so nothing is waited for."""
        known = {"name": "simulated", "sha256": "0", "source": "simulation", "description": "another"}
        ours = known | {"version": 2, "description": SIMULATION["description"]}
        listed = {"items": [known | {"version": 1}, ours], "next_cursor": None}
        service.script["GET", "/v1/datasets"] = [Answer(body=listed)]

        assert "simulated/2" == simulate(client, lambda _: None)
        assert [] == service.seen("POST", "/v1/jobs")

    def test_says_why_there_is_none(self, client: Client, service: TinyService) -> None:
        """In the service's words."""
        error = {"code": "x", "detail": "The store is full."}
        service.jobs["job_new"] = [job("job_new", "failed", error=error, result={})]

        with pytest.raises(SimulationFailedError, match=r"failed\. The store is full"):
            simulate(client, lambda _: None)


class TestRun:
    def test_passes_arguments_on(self, named: TinyService, tmp_path: Path) -> None:
        """They are those of `study run`; what that says is the exit code: here there is no such data set."""
        code = run(Console(quiet=True), tmp_path, ["mine", "--dataset", "adir/1", "--size", "cpu"])
        (request,) = named.seen("POST", "/v1/studies/plan")

        assert 5 == code
        assert {"name": "mine", "dataset": "adir/1", "size": "cpu"} == json.loads(request.body)

    def test_interrupted_before_the_study(
        self, named: TinyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C is no failure."""

        def interrupted(_watch: JobWatch) -> None:
            raise KeyboardInterrupt

        named.jobs["job_new"] = [job("job_new", "running")]
        monkeypatch.setattr(JobWatch, "_events", interrupted)

        assert 130 == run(Console(quiet=True), tmp_path, [])

    def test_wrong_usage(self, named: TinyService, tmp_path: Path) -> None:
        """Is told before anything is asked."""
        assert 2 == run(Console(quiet=True), tmp_path, ["--size", "cpu"])
        assert [] == named.requests

    def test_without_arguments_it_simulates(self, named: TinyService, tmp_path: Path) -> None:
        """And says it where that fails; nothing else is begun."""
        named.jobs["job_new"] = [job("job_new", "failed", result={})]

        assert 1 == run(Console(quiet=True), tmp_path, [])
        assert [] == named.seen("POST", "/v1/studies/plan")
