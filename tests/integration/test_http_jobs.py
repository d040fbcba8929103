"""Submitting, watching and stopping jobs over HTTP, without a worker."""

from __future__ import annotations

import uuid

import httpx
import pytest
from sqlalchemy import func, update

from api.wiring import Wiring
from services import audit
from services.artifacts.service import ArtifactService
from services.db.tables import JobItemRow, JobRow
from services.ids import new_id
from tests.support.http import upload

pytestmark = pytest.mark.integration


def submit(client: httpx.Client, **fields: object) -> httpx.Response:
    return client.post("/v1/jobs", json={"kind": "diagnostic", **fields})


def finish(wiring: Wiring, job_id: str, status: str) -> None:
    """End a job as a worker would; all its items fail."""
    with wiring.sessions.begin() as session:
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(status=status, finished_at=func.now(), attempt=1, progress_done=1)
        )
        session.execute(update(JobItemRow).where(JobItemRow.job_id == job_id).values(status="failed"))


class TestSubmission:
    def test_answers_where_to_look(self, client: httpx.Client, wiring: Wiring) -> None:
        """A submitted job is answered 202 with its place, a time to come back, and itself."""
        external_id = str(uuid.uuid4())
        answer = submit(client, items=3, external_id=external_id)
        job = answer.json()

        assert 202 == answer.status_code
        assert f"/v1/jobs/{job['id']}" == answer.headers["location"]
        assert str(wiring.settings.poll_after_s) == answer.headers["retry-after"]
        assert ("queued", 3, 0) == (job["status"], job["progress"]["total"], job["attempt"])
        assert job["queue_position"] >= 1
        assert [job["id"]] == [
            one["id"] for one in client.get("/v1/jobs", params={"external_id": external_id}).json()["items"]
        ]

    def test_request_id_is_kept_with_the_job(self, client: httpx.Client, wiring: Wiring) -> None:
        """The id of the request that submitted a job is found in its row."""
        answer = client.post("/v1/jobs", json={"kind": "diagnostic"}, headers={"X-Request-ID": "lims-4711"})

        assert "lims-4711" == wiring.jobs.get(answer.json()["id"]).request_id
        assert "lims-4711" == answer.headers["x-request-id"]

    @pytest.mark.parametrize("kind", ["alchemy", "Scoring", "", 5, None])
    def test_unknown_kind(self, client: httpx.Client, kind: object) -> None:
        """A kind that this version lacks is told apart, with the known ones."""
        answer = client.post("/v1/jobs", json={"kind": kind})

        assert (422, "unknown_kind") == (answer.status_code, answer.json()["code"])
        assert "segmentation" in answer.json()["detail"]

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b"null",
            b"",
            b"{}",
            b'{"kind": "diagnostic", "itms": 1}',
            b'{"kind": "diagnostic", "items": 0}',
            b'{"kind": "diagnostic", "items": 99999999999999999999}',
            b'{"kind": "diagnostic", "seconds_per_item": NaN}',
            b'{"kind": "diagnostic", "seconds_per_item": 1e999}',
            b'{"kind": "diagnostic", "external_id": "\\ud800"}',
            b'{"kind": "diagnostic", "external_id": "a\\u0000b"}',
            b'{"kind": "segmentation"}',
            b'{"kind": "segmentation", "sample": "x", "batch_id": "y"}',
            b'{"kind": "segmentation", "image_ids": ["a\\u0000"]}',
            b'{"kind": "segmentation", "sample": "a\\u0000"}',
            b'{"kind": "segmentation", "sample": "nobody-has-this"}',
            b'{"kind": "segmentation", "sample": "x", "segmenter": "../../etc"}',
        ],
    )
    def test_wrong_body(self, client: httpx.Client, body: bytes) -> None:
        """A wrong body is a 422, whatever is wrong with it."""
        answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})

        assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])

    @pytest.mark.parametrize("body", [b"\xff{}", b"[" * 100_000, b'{"kind":' + b"9" * 5000 + b"}"])
    def test_unreadable_body(self, client: httpx.Client, body: bytes) -> None:
        """What cannot even be parsed is a 400."""
        answer = client.post("/v1/jobs", content=body, headers={"content-type": "application/json"})

        assert (400, "bad_request") == (answer.status_code, answer.json()["code"])

    def test_unknown_inputs_are_named(self, client: httpx.Client) -> None:
        """An image that does not exist is a 404 that names it."""
        answer = client.post("/v1/jobs", json={"kind": "segmentation", "image_ids": ["img_none"]})

        assert 404 == answer.status_code
        assert "img_none" in answer.json()["detail"]

    def test_segmentation_keeps_the_exact_version(self, client: httpx.Client, wiring: Wiring) -> None:
        """An alias is resolved when the job is submitted."""
        name, sample = f"seg-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
        upload(client, sample)
        with wiring.sessions.begin() as session:
            artifacts = ArtifactService(session, wiring.store)
            artifacts.add("segmenter", name, {}, {"weights.safetensors": b"w"})
            artifacts.set_alias("segmenter", name, "production", 1)
        job = client.post(
            "/v1/jobs", json={"kind": "segmentation", "sample": sample, "segmenter": f"{name}/production"}
        ).json()

        assert ({"segmenter": f"{name}/1"}, sample, 1) == (
            job["artifacts"],
            job["sample"],
            job["progress"]["total"],
        )


class TestReading:
    def test_items_in_pages(self, client: httpx.Client) -> None:
        """A job's items come in the order of its inputs, page by page."""
        job_id = submit(client, items=5).json()["id"]
        first = client.get(f"/v1/jobs/{job_id}/items", params={"limit": 3}).json()
        second = client.get(
            f"/v1/jobs/{job_id}/items", params={"limit": 3, "cursor": first["next_cursor"]}
        ).json()

        assert [0, 1, 2, 3, 4] == [item["position"] for item in first["items"] + second["items"]]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize("path", ["", "/items", "/events"])
    def test_unknown_job(self, client: httpx.Client, path: str) -> None:
        """Whatever is asked of a job that does not exist is a 404."""
        assert 404 == client.get(f"/v1/jobs/job_none{path}").status_code

    @pytest.mark.parametrize(
        ("query", "count"),
        [("kind=diagnostic", 1), ("status=queued", 1), ("status=failed", 0), ("kind=segmentation", 0)],
    )
    def test_filters(self, client: httpx.Client, query: str, count: int) -> None:
        """The list is narrowed by kind and status."""
        external_id = str(uuid.uuid4())
        submit(client, external_id=external_id)

        assert count == len(client.get(f"/v1/jobs?external_id={external_id}&{query}").json()["items"])

    @pytest.mark.parametrize(
        "query",
        [
            "status=odd",
            "limit=0",
            "limit=1001",
            "limit=x",
            "cursor=!",
            "cursor=AAAA",
            "statu=queued",
            "limit=1&limit=2",
            "sample=%00",
            "external_id=a%0Ab",
        ],
    )
    def test_wrong_query(self, client: httpx.Client, query: str) -> None:
        """A parameter that is wrong, unknown, doubled or unprintable is refused, not ignored."""
        answer = client.get(f"/v1/jobs?{query}")

        assert (422, "invalid_input") == (answer.status_code, answer.json()["code"])
        assert answer.json()["errors"]


class TestSteering:
    def test_queued_job_is_cancelled_at_once(self, client: httpx.Client, wiring: Wiring) -> None:
        """Cancelling what waits is done with the answer, audited, and harmless to repeat."""
        job_id = submit(client).json()["id"]
        answers = [client.post(f"/v1/jobs/{job_id}/cancel") for _ in range(2)]
        with wiring.readers() as session:
            trail = audit.history(session, job_id)

        assert [(200, "cancelled")] * 2 == [(one.status_code, one.json()["status"]) for one in answers]
        assert ["job.submitted", "job.cancelled", "job.cancelled"] == [entry.action for entry in trail]

    def test_running_job_is_asked_to_stop(self, client: httpx.Client, wiring: Wiring) -> None:
        """Cancelling what runs is accepted, and done by its worker."""
        job_id = submit(client).json()["id"]
        with wiring.sessions.begin() as session:
            session.execute(
                update(JobRow)
                .where(JobRow.id == job_id)
                .values(status="running", lease_token=new_id("lease"))
            )
        answer = client.post(f"/v1/jobs/{job_id}/cancel")

        assert (202, "cancelling") == (answer.status_code, answer.json()["status"])
        assert f"/v1/jobs/{job_id}" == answer.headers["location"]

    def test_finished_job_cannot_be_cancelled(self, client: httpx.Client, wiring: Wiring) -> None:
        """There is nothing to cancel in a job that has ended."""
        job_id = submit(client).json()["id"]
        finish(wiring, job_id, "failed")
        answer = client.post(f"/v1/jobs/{job_id}/cancel")

        assert (409, "conflict") == (answer.status_code, answer.json()["code"])

    def test_failed_job_is_retried(self, client: httpx.Client, wiring: Wiring) -> None:
        """A retry puts the failed items back in the queue; a second one finds nothing to retry."""
        job_id = submit(client, items=2).json()["id"]
        finish(wiring, job_id, "failed")
        first, second = (client.post(f"/v1/jobs/{job_id}/retry") for _ in range(2))
        items = client.get(f"/v1/jobs/{job_id}/items").json()["items"]

        assert (202, "queued", 409) == (first.status_code, first.json()["status"], second.status_code)
        assert ["pending", "pending"] == [item["status"] for item in items]

    @pytest.mark.parametrize("action", ["cancel", "retry"])
    def test_unknown_job(self, client: httpx.Client, action: str) -> None:
        """A job that does not exist can be neither cancelled nor retried."""
        assert 404 == client.post(f"/v1/jobs/job_none/{action}").status_code
