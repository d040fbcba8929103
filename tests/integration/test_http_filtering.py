"""Filtering jobs over HTTP: counted, decided anew, listed by verdict, saved as tables and maps."""

from __future__ import annotations

import csv
import io
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.wiring import Wiring
from client import Client
from models.filtering.filter import Filter
from services import audit
from services.jobs.params import FilteringRequest
from services.jobs.repository import JobRepository
from services.jobs.types import Job
from tests.support.classifiers import add_classifier
from tests.support.filtered import CROPS, SEED, embeddings_of, filtered, ids, needed, pages
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.http import Guarded
from tests.support.imported import import_crops
from tests.support.predicted import new_job

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED)


@pytest.fixture(scope="module")
def found(wiring: Wiring, classifier: str) -> Filter:
    return filter_on(wiring, classifier, embeddings_of(NUM_ROWS))


@pytest.fixture(scope="module")
def ref(wiring: Wiring, found: Filter) -> str:
    return add_filter(wiring, found)


@pytest.fixture(scope="module")
def job(wiring: Wiring, classifier: str, ref: str) -> Job:
    """A dozen filtered crops, whose embeddings were there."""
    return filtered(wiring, classifier, ref)


class TestCounts:
    def test_as_decided(self, client: httpx.Client, job: Job, ref: str) -> None:
        """By default it is told how the crops are decided now."""
        told = client.get(f"/v1/jobs/{job.id}/filtering").json()

        assert (job.id, ref, 0.6, None, True) == (
            told["job_id"],
            told["filter"],
            told["level"],
            told["max_percentile"],
            told["decided"],
        )
        assert (CROPS, job.result["kept"]) == (told["before"], told["after"])
        assert {"imported": {"before": CROPS, "after": told["after"], "share": told["share"]}} == told[
            "by_origin"
        ]

    def test_at_another_level(self, client: httpx.Client, job: Job) -> None:
        """A question changes nothing, and its answer is what a list at that level holds."""
        levels = needed(client, job)
        middle = sorted(levels.values())[CROPS // 2]
        path = f"/v1/jobs/{job.id}/filtering"
        told = client.get(path, params={"level": middle}).json()

        assert (False, CROPS // 2 + 1) == (told["decided"], told["after"])
        assert sorted(crop for crop, level in levels.items() if level <= middle) == ids(
            client, filtered_by=job.id, kept="true", level=middle
        )
        assert client.get(path).json()["decided"]

    def test_distance_limits_too(self, client: httpx.Client, job: Job) -> None:
        """A percentile of zero keeps what lies nearer than all training data, and 100 is no limit."""
        path = f"/v1/jobs/{job.id}/filtering"
        told = [
            client.get(path, params={"level": 1, "max_percentile": limit}).json() for limit in (0, 50, 100)
        ]

        assert sorted(one["after"] for one in told) == [one["after"] for one in told]
        assert (CROPS, None) == (told[2]["after"], told[2]["max_percentile"])

    @pytest.mark.parametrize(
        "params", [{"level": "2"}, {"level": "nan"}, {"max_percentile": "-1"}, {"x": "1"}]
    )
    def test_wrong_questions(self, client: httpx.Client, job: Job, params: dict[str, str]) -> None:
        """Are refused, name by name."""
        answer = client.get(f"/v1/jobs/{job.id}/filtering", params=params)

        assert 422 == answer.status_code
        assert [f"query.{next(iter(params))}"] == [one["field"] for one in answer.json()["errors"]]

    def test_other_jobs(self, client: httpx.Client, wiring: Wiring, ref: str) -> None:
        """A job that filters nothing, none at all, and one that has yet to run."""
        (crop,) = import_crops(wiring, 1)
        waiting = wiring.submissions.submit(FilteringRequest(kind="filtering", crop_ids=(crop,), filter=ref))
        other = wiring.jobs.submit("diagnostic", {}).id
        answers = [client.get(f"/v1/jobs/{one}/filtering") for one in (other, "job_none", waiting.id)]
        table = client.get(f"/v1/jobs/{waiting.id}/filter_scores.csv")
        moved = client.put(f"/v1/jobs/{waiting.id}/filtering", json={"level": 0.5})

        assert [404, 404, 409] == [one.status_code for one in answers]
        assert [409, 409] == [table.status_code, moved.status_code]

    def test_job_that_was_stopped(self, client: httpx.Client, wiring: Wiring, ref: str) -> None:
        """It never decided, and the answer says what to do."""
        (crop,) = import_crops(wiring, 1)
        stopped = wiring.submissions.submit(FilteringRequest(kind="filtering", crop_ids=(crop,), filter=ref))
        wiring.jobs.cancel(stopped.id)
        answer = client.get(f"/v1/jobs/{stopped.id}/filtering")

        assert (409, True) == (answer.status_code, "filter them again" in answer.json()["detail"])


class TestRedecide:
    def test_moves_the_level(self, client: httpx.Client, wiring: Wiring, classifier: str, ref: str) -> None:
        """Crops, counts and the job tell the new level; the audit tells the old one."""
        job = filtered(wiring, classifier, ref)
        levels = needed(client, job)
        level = sorted(levels.values())[2]
        told = client.put(f"/v1/jobs/{job.id}/filtering", json={"level": level}).json()
        shown = client.get(f"/v1/jobs/{job.id}").json()["result"]
        with wiring.readers() as session:
            (entry,) = audit.history(session, job.id)

        assert (level, True, 3) == (told["level"], told["decided"], told["after"])
        assert sorted(crop for crop, one in levels.items() if one <= level) == ids(
            client, filtered_by=job.id, kept="true"
        )
        assert (level, 3, 3) == (shown["level"], shown["kept"], shown["counts"]["after"])
        assert ("filtering.redecided", 0.6, level) == (
            entry.action,
            entry.details["from"]["level"],
            entry.details["to"]["level"],
        )

    def test_gate_stays_until_it_is_moved(
        self, client: httpx.Client, wiring: Wiring, classifier: str, ref: str
    ) -> None:
        """A level alone leaves the limit of distance; 100 switches it off."""
        job = filtered(wiring, classifier, ref, level=1.0, max_percentile=60.0)
        path = f"/v1/jobs/{job.id}/filtering"
        told = [
            client.put(path, json=body).json()
            for body in ({"level": 0.9}, {"level": 1.0, "max_percentile": 100}, {"level": 0.0})
        ]

        assert [60.0, None, None] == [one["max_percentile"] for one in told]
        assert (CROPS, 0) == (told[1]["after"], told[2]["after"])

    def test_links_the_map_as_it_is_decided(
        self, client: httpx.Client, wiring: Wiring, classifier: str, ref: str
    ) -> None:
        """The page was drawn at the first decision; its link opens it at the one that is told."""
        job = filtered(wiring, classifier, ref)
        path = f"/v1/jobs/{job.id}/filtering"
        told = [
            client.get(path, params={"level": 0.25, "max_percentile": 75}).json(),
            client.put(path, json={"level": 0.5}).json(),
        ]
        links = [one["links"]["map"] for one in told]

        assert [
            f"/v1/jobs/{job.id}/map.html#level=0.25&max_percentile=75.0",
            f"/v1/jobs/{job.id}/map.html#level=0.5&max_percentile=off",
        ] == links
        assert 200 == client.get(links[0]).status_code

    def test_links_no_map_that_is_not_there(
        self, client: httpx.Client, wiring: Wiring, classifier: str, ref: str
    ) -> None:
        """Drawing may fail without the verdicts' being lost."""
        job = filtered(wiring, classifier, ref)
        with wiring.sessions.begin() as session:
            JobRepository(session).amend_result(job.id, {"map": {"status": "failed", "reason": "x"}})

        assert {} == client.get(f"/v1/jobs/{job.id}/filtering").json()["links"]

    @pytest.mark.parametrize("body", [{}, {"level": 1.1}, {"level": 0.5, "max_percentile": 101}, {"lvl": 1}])
    def test_wrong_bodies(self, client: httpx.Client, job: Job, body: dict[str, Any]) -> None:
        """Change nothing."""
        answer = client.put(f"/v1/jobs/{job.id}/filtering", json=body)

        assert 422 == answer.status_code
        assert 0.6 == client.get(f"/v1/jobs/{job.id}/filtering").json()["level"]

    def test_needs_the_scope_of_reviewers(self, guarded: Guarded, job: Job) -> None:
        """Whoever may only read or submit decides nothing; the name of who did is kept."""
        with guarded.client() as admin:
            key = admin.post(
                "/v1/keys", json={"name": f"s-{uuid.uuid4()}", "scopes": ["read", "submit"]}
            ).json()["key"]
        with guarded.client(key) as submitter:
            answer = submitter.put(f"/v1/jobs/{job.id}/filtering", json={"level": 0.0})

        assert (403, "forbidden") == (answer.status_code, answer.json()["code"])


class TestCrops:
    def test_tell_their_scores(self, client: httpx.Client, job: Job, ref: str, found: Filter) -> None:
        """All that a verdict needs, exactly as the filter computed it."""
        crops = pages(client, filtered_by=job.id)
        own = found.score(embeddings_of(CROPS, SEED))
        scores = [crop["filter_scores"][-1] for crop in crops]

        assert {(ref, job.id)} == {(one["filter"], one["job_id"]) for one in scores}
        assert own.needed_level.tolist() == [one["needed_level"] for one in scores]
        assert own.knn_percentile.tolist() == [one["knn_percentile"] for one in scores]
        assert own.kept(0.6).tolist() == [one["kept"] for one in scores]
        assert crops[0] == client.get(f"/v1/crops/{crops[0]['id']}").json()

    def test_kept_and_rejected_are_all(self, client: httpx.Client, job: Job) -> None:
        """Pages of the two lists cover each crop once; the links of the job's result lead there."""
        kept, rejected = (ids(client, filtered_by=job.id, kept=kept) for kept in ("true", "false"))
        linked = client.get(job.result["links"]["kept"]).json()["items"]

        assert sorted(needed(client, job)) == sorted(kept + rejected)
        assert (job.result["kept"], kept) == (len(kept), [crop["id"] for crop in linked])

    def test_newest_score_counts(
        self, client: httpx.Client, wiring: Wiring, classifier: str, ref: str
    ) -> None:
        """Of one filter, or of any; a job's own scores stay its own."""
        crop_ids = import_crops(wiring, 4, seed=5)
        first = filtered(wiring, classifier, ref, crop_ids, level=0.0)
        strict = add_filter(wiring, filter_on(wiring, classifier, embeddings_of(NUM_ROWS), level=0.0))
        second = filtered(wiring, classifier, ref, crop_ids, level=1.0)
        third = filtered(wiring, classifier, strict, crop_ids)

        def among(**params: Any) -> list[str]:
            return [one for one in ids(client, **params) if one in crop_ids]

        assert list(crop_ids) == among(filter=ref, kept="true")
        assert [] == among(filter=ref, kept="false")
        assert [] == among(kept="true")
        assert list(crop_ids) == among(kept="false", origin="imported")
        assert list(crop_ids) == ids(client, filtered_by=first.id, kept="false")
        assert list(crop_ids) == ids(client, filtered_by=second.id, kept="true", filter=ref)
        assert [] == ids(client, filtered_by=second.id, filter=strict)
        assert [first.id, second.id, third.id] == [
            one["job_id"] for one in client.get(f"/v1/crops/{crop_ids[0]}").json()["filter_scores"]
        ]

    def test_level_decides_on_the_fly(self, client: httpx.Client, job: Job, ref: str) -> None:
        """By a filter's scores as by a job's; everything or nothing at its ends."""
        everything = sorted(needed(client, job))

        assert everything == ids(client, filtered_by=job.id, kept="true", level=1)
        assert everything == ids(client, filtered_by=job.id, kept="false", level=0)
        assert set(everything) <= set(ids(client, filter=ref, kept="true", level=1))

    def test_order_by_probability(self, client: httpx.Client, job: Job) -> None:
        """Verdicts join with every other filter and order."""
        assert sorted(needed(client, job), reverse=True) == ids(
            client, filtered_by=job.id, sort="-probability"
        )

    @pytest.mark.parametrize(
        ("params", "status", "field"),
        [
            ({"kept": "true", "level": "0.5"}, 422, "level"),
            ({"kept": "true", "max_percentile": "50"}, 422, "max_percentile"),
            ({"kept": "perhaps"}, 422, "query.kept"),
            ({"level": "1.5"}, 422, "query.level"),
            ({"filter": "no ref"}, 422, "query.filter"),
            ({"filter": "nobody/1"}, 404, None),
            ({"filtered_by": "job_none", "kept": "true", "level": "0.5"}, 404, None),
        ],
    )
    def test_wrong_questions(
        self, client: httpx.Client, params: dict[str, str], status: int, field: str | None
    ) -> None:
        """A level belongs to a filter or job; typing errors are noticed."""
        answer = client.get("/v1/crops", params=params)

        assert status == answer.status_code
        assert ([] if field is None else [field]) == [one["field"] for one in answer.json()["errors"]]

    def test_level_without_a_verdict(self, client: httpx.Client, job: Job) -> None:
        """A level that decides nothing was meant otherwise."""
        answer = client.get("/v1/crops", params={"filtered_by": job.id, "level": 0.5})

        assert (422, "kept") == (answer.status_code, answer.json()["errors"][0]["field"])


class TestTable:
    def test_has_a_line_per_crop(self, client: httpx.Client, job: Job, found: Filter, ref: str) -> None:
        """With numbers that read back exactly, and where the crop comes from."""
        answer = client.get(f"/v1/jobs/{job.id}/filter_scores.csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        own = found.score(embeddings_of(CROPS, SEED))

        assert "text/csv; charset=utf-8" == answer.headers["content-type"]
        assert {"source_crop_id", "generator", "annotated_class", "at"} <= set(rows[0])
        assert sorted(needed(client, job)) == [row["crop_id"] for row in rows]
        assert own.needed_level.tolist() == [float(row["needed_level"]) for row in rows]
        assert own.mahalanobis2.tolist() == [float(row["mahalanobis2"]) for row in rows]
        assert {(ref, "imported")} == {(row["filter"], row["origin"]) for row in rows}

    def test_other_jobs_have_none(self, client: httpx.Client, wiring: Wiring) -> None:
        """A job that filters nothing, and none at all."""
        answers = [client.get(f"/v1/jobs/{one}/filter_scores.csv") for one in (new_job(wiring), "job_none")]

        assert [404, 404] == [one.status_code for one in answers]


class TestMaps:
    def test_of_a_job(self, client: httpx.Client, job: Job) -> None:
        """Page and picture, where the job's result says."""
        page, picture = (client.get(f"/v1/jobs/{job.id}/map.{kind}") for kind in ("html", "png"))

        assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert picture.content.startswith(b"\x89PNG")
        assert f"/v1/jobs/{job.id}/map.html" in job.result["links"].values()

    def test_say_why_there_is_none(self, client: httpx.Client, wiring: Wiring, ref: str) -> None:
        """Another kind of job, one that waits, and none at all."""
        (crop,) = import_crops(wiring, 1)
        waiting = wiring.submissions.submit(FilteringRequest(kind="filtering", crop_ids=(crop,), filter=ref))
        answers = [
            client.get(f"/v1/jobs/{one}/map.html") for one in (new_job(wiring), waiting.id, "job_none")
        ]

        assert [(404, "map_missing"), (404, "map_missing"), (404, "not_found")] == [
            (one.status_code, one.json()["code"]) for one in answers
        ]
        assert "runs still" in answers[1].json()["detail"]


class TestClientSide:
    def test_speaks_the_same(
        self, address: str, wiring: Wiring, ref: str, found: Filter, tmp_path: Path
    ) -> None:
        """Python's client asks, decides, lists, scores and saves as the contract says."""
        classifier = found.spec.classifier
        job = filtered(wiring, classifier, ref)
        rows = embeddings_of(CROPS, SEED)
        with Client(address) as python:
            asked, decided = python.filtering(job.id, level=1.0), python.redecide(job.id, 1.0)
            kept = list(python.crops(filtered_by=job.id, kept=True))
            (scores,) = python.score_embeddings(ref, rows.tolist(), classifier=classifier)
            page = python.download_job_map(job.id, tmp_path / "map.html")
            table = python.download_filter_scores(job.id, tmp_path / "scores.csv")

        assert (CROPS, CROPS, False, True) == (asked.after, decided.after, asked.decided, decided.decided)
        assert found.score(rows).needed_level.tolist() == [one.needed_level for one in scores.items]
        assert [one.needed_level for one in scores.items] == [
            crop.filter_scores[-1].needed_level for crop in kept
        ]
        assert page.read_bytes().startswith(b"<!")
        assert CROPS + 1 == len(table.read_text().splitlines())
