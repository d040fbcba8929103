from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.errors import InvalidArgumentError, ProblemError, UnexpectedAnswerError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, problem

FILTER = "/v1/artifacts/filter/ours/2"
FILTERING = "/v1/jobs/job_1/filtering"
SCORE = {
    "x": 1.5,
    "y": -2.0,
    "component": None,
    "mahalanobis2": None,
    "needed_level": 0.25,
    "knn_distance": 3.5,
    "knn_percentile": 40.0,
    "kept": True,
}
SCORES = {"filter": "ours/2", "classifier": "c/1", "level": 0.7, "max_percentile": None, "items": [SCORE]}
COUNTS: dict[str, Any] = {
    "job_id": "job_1",
    "filter": "ours/2",
    "level": 0.7,
    "max_percentile": None,
    "decided": True,
    "before": 10,
    "after": 4,
    "share": 0.4,
    "by_origin": {"generated": {"before": 10, "after": 4, "share": 0.4}},
    "by_class": {},
    "links": {"map": "/v1/jobs/job_1/map.html#level=0.7&max_percentile=off"},
}


def sent(service: TinyService) -> Any:
    """The body of the newest request."""
    return json.loads(service.requests[-1].body)


class TestScores:
    def test_are_read_whole(self, client: Client, service: TinyService) -> None:
        """What is left out is the service's own."""
        service.first("POST", f"{FILTER}/score", Answer(body=SCORES))

        (found,) = client.score_embeddings("ours/2", [[1, 2.5]])

        assert SCORES == found.as_json()
        assert {"embeddings": [[1.0, 2.5]]} == sent(service)

    def test_decide_as_asked(self, client: Client, service: TinyService) -> None:
        """Level, limit and classifier travel along; a name alone is the production version."""
        path = "/v1/artifacts/filter/ours/production/score"
        service.first("POST", path, Answer(body=SCORES))
        how: dict[str, Any] = {"level": 0.0, "max_percentile": 99.0, "classifier": "c/1"}

        list(client.score_embeddings("ours", [[1.0]], **how))

        assert {"embeddings": [[1.0]], **how} == sent(service)

    def test_travel_a_thousand_at_a_time(self, client: Client, service: TinyService) -> None:
        """In the order of the rows, and no row waits for all the others."""
        service.first("POST", f"{FILTER}/score", *[Answer(body=SCORES)] * 3)

        answers = client.score_embeddings("ours/2", ([float(index)] for index in range(2500)))
        sizes = [len(sent(service)["embeddings"]) for _ in answers]

        assert [1000, 1000, 500] == sizes

    def test_nothing_asks_nothing(self, client: Client, service: TinyService) -> None:
        """There is nothing to say of no rows."""
        assert [] == list(client.score_embeddings("ours/2", []))
        assert [] == service.requests

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_numbers_that_json_lacks(self, client: Client, service: TinyService, number: float) -> None:
        """Are noticed here, with the row."""
        with pytest.raises(InvalidArgumentError, match="Embedding 1"):
            list(client.score_embeddings("ours/2", [[0.0], [number]]))

        assert [] == service.requests

    def test_refusal_is_the_services_word(self, client: Client, service: TinyService) -> None:
        """With its code."""
        service.first("POST", f"{FILTER}/score", problem(422, "other_classifier", "Fitted on c/1."))

        with pytest.raises(ProblemError, match="Fitted on c/1") as raised:
            list(client.score_embeddings("ours/2", [[0.0]], classifier="d/1"))

        assert "other_classifier" == raised.value.problem_code


class TestCounts:
    @pytest.mark.parametrize(
        ("how", "query"),
        [
            ({}, {}),
            ({"level": 0.0}, {"level": "0.0"}),
            ({"max_percentile": 95.0}, {"max_percentile": "95.0"}),
        ],
    )
    def test_as_decided_or_as_asked(
        self, client: Client, service: TinyService, how: dict[str, float], query: dict[str, str]
    ) -> None:
        """A level of zero is a level."""
        service.first("GET", FILTERING, Answer(body=COUNTS))

        assert COUNTS == client.filtering("job_1", **how).as_json()
        assert query == service.requests[0].query

    def test_answer_without_counts_is_none(self, client: Client, service: TinyService) -> None:
        """Something else answered."""
        service.first("GET", FILTERING, Answer(body={"job_id": "job_1"}))

        with pytest.raises(UnexpectedAnswerError, match="before"):
            client.filtering("job_1")

    @pytest.mark.parametrize(
        ("how", "body"),
        [({}, {"level": 0.8}), ({"max_percentile": 100}, {"level": 0.8, "max_percentile": 100})],
    )
    def test_are_moved(
        self, client: Client, service: TinyService, how: dict[str, float], body: dict[str, float]
    ) -> None:
        """The limit of distance moves only if it is named."""
        service.first("PUT", FILTERING, Answer(body={**COUNTS, "level": 0.8}))

        assert 0.8 == client.redecide("job_1", 0.8, **how).level
        assert body == sent(service)


class TestDifference:
    def test_is_read_whole(self, client: Client, service: TinyService) -> None:
        """Whatever a newer service adds."""
        body = {"first": "ours/2", "second": "ours/3", "difference": {"parameters": {"level": [0.7, 0.8]}}}
        service.first("GET", f"{FILTER}/difference", Answer(body=body))

        assert body == client.filter_difference("ours/2", "3").as_json()
        assert {"other": "3"} == service.requests[0].query


class TestDownloads:
    @pytest.mark.parametrize(("suffix", "name"), [(".html", "map.html"), (".PNG", "plot.png")])
    def test_map_of_a_filter(
        self, client: Client, service: TinyService, tmp_path: Path, suffix: str, name: str
    ) -> None:
        """The ending of the file chooses page or picture."""
        service.first("GET", f"{FILTER}/{name}", Answer(body=b"map"))

        assert b"map" == client.download_filter_map("ours/2", tmp_path / f"m{suffix}").read_bytes()

    @pytest.mark.parametrize("suffix", [".html", ".png"])
    def test_map_of_a_job(self, client: Client, service: TinyService, tmp_path: Path, suffix: str) -> None:
        """With its crops."""
        service.first("GET", f"/v1/jobs/job_1/map{suffix}", Answer(body=b"map"))

        assert b"map" == client.download_job_map("job_1", tmp_path / f"m{suffix}").read_bytes()

    def test_other_endings(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """A map is nothing else."""
        for download in (client.download_filter_map, client.download_job_map):
            with pytest.raises(InvalidArgumentError, match=r"\.html or \.png"):
                download("ours/2", tmp_path / "map.pdf")

        assert [] == service.requests

    def test_table(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """As the service writes it."""
        service.first("GET", "/v1/jobs/job_1/filter_scores.csv", Answer(body=b"crop_id\r\n"))

        assert b"crop_id\r\n" == client.download_filter_scores("job_1", tmp_path / "t.csv").read_bytes()
