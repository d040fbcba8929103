"""What the demonstration asks of the filter in production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.demo.filtering import filter_synthetic, find_filter
from client.demo.results import SyntheticResult, share_beyond
from client.errors import ProblemError
from client.http import Client
from client.records import ArtifactVersion, FilterCount, Job
from tests.fakes.tiny_service import Answer, TinyService, crop, job, png, problem

FILTER = ArtifactVersion(kind="filter", name="translocation", version=3)
PRODUCTION = "/v1/artifacts/filter/translocation/production"
RESULT = {"drift": {"beyond_p99": 0.25}, "links": {"map": "/v1/jobs/job_new/map.html"}}


def made(*job_ids: str) -> list[SyntheticResult]:
    """What generators made in some jobs."""
    generator = ArtifactVersion(kind="generator", name="g", version=1)
    return [
        SyntheticResult(generator, Job.model_validate(job(one, "succeeded", result={"crops": 1})), None)
        for one in job_ids
    ]


def page_of(*crops: dict[str, Any]) -> Answer:
    """A list of crops, on one page."""
    return Answer(body={"items": list(crops), "next_cursor": None})


def generated(crop_id: str, generator: str, **kept: bool) -> dict[str, Any]:
    """A synthetic crop with what jobs' filters said of it."""
    told = {"filter": "translocation/3", "x": 0.0, "y": 0.0, "needed_level": 0.5}
    return crop(
        crop_id,
        synthetic={
            "source_crop_id": "c",
            "generator": generator,
            "seed": 1,
            "sample_number": 0,
            "canvas_scale": 1.6,
        },
        filter_scores=[{**told, "job_id": job_id, "kept": value} for job_id, value in kept.items()],
    )


class TestFindFilter:
    def test_finds_what_is_in_production(self, client: Client, service: TinyService) -> None:
        """Its exact version is what the job will use."""
        service.first("GET", PRODUCTION, Answer(body=FILTER.as_json()))

        assert FILTER == find_filter(client)

    def test_does_without(self, client: Client, service: TinyService) -> None:
        """Somebody may have taken it out of a checkout."""
        service.first("GET", PRODUCTION, problem(404, "not_found"))

        assert find_filter(client) is None

    def test_other_errors_are_errors(self, client: Client, service: TinyService) -> None:
        """A broken service is not one without a filter."""
        service.first("GET", PRODUCTION, problem(500, "internal"))

        with pytest.raises(ProblemError, match="internal"):
            find_filter(client)


class TestFilterSynthetic:
    def test_filters_the_crops_of_all_generators_in_one_job(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """Counts are told by generator, of this job alone, and the map is saved."""
        service.jobs["job_new"] = [job("job_new", "succeeded", result=RESULT)]
        service.first("GET", "/v1/jobs/job_new/map.html", Answer(body=png(2, 2)))
        crops = [
            generated("s1", "a/1", job_new=True),
            generated("s2", "a/1", job_new=False, job_old=True),
            generated("s3", "b/2", job_new=False),
        ]
        service.first("GET", "/v1/crops", page_of(*crops[:2]), page_of(crops[2]), page_of(*crops))

        found = filter_synthetic(
            client, FILTER, made("job_a", "job_b"), tmp_path / "map.html", lambda _: None
        )

        told = json.loads(service.seen("POST", "/v1/jobs")[0].body)
        assert {"kind": "filtering", "crop_ids": ["s1", "s2", "s3"], "filter": "translocation/3"} == told
        assert {"a/1": FilterCount(before=2, after=1), "b/2": FilterCount(before=1, after=0)} == found.counts
        assert (0.25, tmp_path / "map.html") == (share_beyond(found.job), found.page)
        assert png(2, 2) == (tmp_path / "map.html").read_bytes()
        assert [{"job": "job_a"}, {"job": "job_b"}, {"filtered_by": "job_new"}] == [
            {name: one.query[name] for name in ("job", "filtered_by") if name in one.query}
            for one in service.seen("GET", "/v1/crops")
        ]

    def test_does_without_a_map(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Drawing may fail; the verdicts are there."""
        service.jobs["job_new"] = [job("job_new", "succeeded", result={"links": {}})]
        one = generated("s1", "a/1", job_new=True)
        service.first("GET", "/v1/crops", page_of(one), page_of(one))

        found = filter_synthetic(client, FILTER, made("job_a"), tmp_path / "map.html", lambda _: None)

        assert (None, None, ["a/1"]) == (found.page, share_beyond(found.job), list(found.counts))
        assert not (tmp_path / "map.html").exists()

    def test_a_failure_is_told_and_not_raised(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """The chromosomes that were found are shown all the same."""
        service.jobs["job_new"] = [job("job_new", "failed", result=None)]
        service.first("GET", "/v1/crops", page_of(generated("s1", "a/1")))

        found = filter_synthetic(client, FILTER, made("job_a"), tmp_path / "map.html", lambda _: None)

        assert ("failed", {}, None) == (found.job.status, found.counts, found.page)
