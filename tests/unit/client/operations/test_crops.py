from __future__ import annotations

import json

import pytest

from client.errors import ProblemError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, problem

ANNOTATIONS = "/v1/crops/annotations"


class TestCrops:
    def test_leaves_out_filters_that_are_none(self, client: Client, service: TinyService) -> None:
        """Filters and the order travel as the contract names them; truth is written in lower case."""
        list(client.crops(job="job_1", sort="-probability", annotated=False, classifier=None))

        query = service.requests[0].query
        assert query == {"job": "job_1", "sort": "-probability", "annotated": "false", "limit": "500"}


class TestAnnotateAll:
    def test_sends_a_thousand_at_a_time(self, client: Client, service: TinyService) -> None:
        """However many verdicts there are, no request is larger than the service takes."""
        service.first("PUT", ANNOTATIONS, *[Answer(body={"annotated": 0})] * 3)

        annotated = client.annotate_all(((f"crop_{n}", "normal") for n in range(2001)), "m.koch")

        sizes = [len(json.loads(request.body)["annotations"]) for request in service.requests]
        assert (annotated, sizes) == (2001, [1000, 1000, 1])

    def test_says_who_says_what(self, client: Client, service: TinyService) -> None:
        """Each verdict has its class and the annotator."""
        service.first("PUT", ANNOTATIONS, Answer(body={"annotated": 1}))

        client.annotate_all([("crop_1", "excluded")], "m.koch")

        verdict = {"crop_id": "crop_1", "class": "excluded", "annotator": "m.koch"}
        assert json.loads(service.requests[0].body) == {"annotations": [verdict]}

    def test_nothing_to_say_sends_nothing(self, client: Client, service: TinyService) -> None:
        """An empty table costs no request."""
        assert client.annotate_all([], "m.koch") == 0
        assert service.requests == []

    def test_stops_at_a_refusal(self, client: Client, service: TinyService) -> None:
        """The thousands before stay, and the service's reason is passed on."""
        service.first("PUT", ANNOTATIONS, Answer(body={"annotated": 1000}), problem(404, "not_found"))

        with pytest.raises(ProblemError, match="not_found"):
            client.annotate_all(((f"crop_{n}", "normal") for n in range(3000)), "m.koch")

        assert len(service.requests) == 2


class TestSuggestions:
    def test_goes_on_after_a_page_without_any(self, client: Client, service: TinyService) -> None:
        """A page may be empty although there is more to look at."""
        reason = {"code": "area_large", "detail": "Large.", "value": 4.2, "limit": 3.5}
        found = {"crop_id": "crop_9", "image_id": None, "sample": None, "class": None, "reasons": [reason]}
        service.first(
            "GET",
            "/v1/crops/suggestions",
            Answer(body={"items": [], "next_cursor": "c"}),
            Answer(body={"items": [found], "next_cursor": None}),
        )

        (suggestion,) = client.suggestions(dataset="adir/1")

        assert (suggestion.crop_id, suggestion.reasons[0].code) == ("crop_9", "area_large")
        assert service.requests[1].query == {"dataset": "adir/1", "limit": "500", "cursor": "c"}
