"""The first answer again: repeated, concurrent, changed and orphaned requests."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from api.idempotency import Once
from api.wiring import Wiring
from services.clock import utc_now
from services.db.tables import AuditRow, IdempotencyKeyRow
from services.errors import InvalidInputError
from services.idempotency import (
    Answer,
    IdempotencyInFlightError,
    IdempotencyKeyReusedError,
    IdempotencyService,
    Lock,
)
from tests.support.http import Guarded, tiff_bytes

pytestmark = pytest.mark.integration


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def submit(client: httpx.Client, key: str, **fields: object) -> httpx.Response:
    body = {"kind": "diagnostic", **fields}
    return client.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})


def upload(client: httpx.Client, key: str, sample: str, content: bytes) -> httpx.Response:
    return client.post(
        "/v1/batches",
        data={"sample": sample, "channels": '{"dapi": 0}'},
        files=[("files", ("m.tif", content))],
        headers={"Idempotency-Key": key},
    )


class TestOverHttp:
    def test_repetition_gets_the_first_answer(self, client: httpx.Client, key: str) -> None:
        """Status, Location, Retry-After and body are the first ones, and no second job exists."""
        external_id = str(uuid.uuid4())
        first, second = (submit(client, key, external_id=external_id) for _ in range(2))

        assert (202, first.json()) == (second.status_code, second.json())
        assert [first.headers[name] for name in ("location", "retry-after")] == [
            second.headers[name] for name in ("location", "retry-after")
        ]
        assert (None, "true") == (
            first.headers.get("idempotency-replayed"),
            second.headers["idempotency-replayed"],
        )
        assert 1 == len(client.get("/v1/jobs", params={"external_id": external_id}).json()["items"])

    def test_spelling_of_the_body_does_not_matter(self, client: httpx.Client, key: str) -> None:
        """Order of fields, white space and explicit defaults leave a request the same."""
        headers = {"Idempotency-Key": key, "content-type": "application/json"}
        bodies = [
            b'{"kind":"diagnostic","items":1}',
            b'{ "items": 1, "seconds_per_item": 0, "kind": "diagnostic" }',
        ]
        first, second = (client.post("/v1/jobs", content=body, headers=headers) for body in bodies)

        assert first.json() == second.json()

    def test_other_body_is_refused(self, client: httpx.Client, key: str) -> None:
        """A key that belongs to another request is a 422 with its own code."""
        submit(client, key, items=1)
        answer = submit(client, key, items=2)

        assert (422, "idempotency_key_reused") == (answer.status_code, answer.json()["code"])

    def test_other_path_is_refused(self, client: httpx.Client, key: str) -> None:
        """The same key on another path belongs to another request."""
        job_id = submit(client, key).json()["id"]
        answer = client.post(f"/v1/jobs/{job_id}/cancel", headers={"Idempotency-Key": key})

        assert "idempotency_key_reused" == answer.json()["code"]

    def test_upload_is_the_same_under_another_boundary(self, client: httpx.Client, key: str) -> None:
        """A form counts by its fields and its files' hashes; a retry has another boundary."""
        sample = str(uuid.uuid4())
        first, second = (upload(client, key, sample, tiff_bytes(7)) for _ in range(2))
        other = upload(client, key, sample, tiff_bytes(8))

        assert (201, first.json()) == (second.status_code, second.json())
        assert first.headers["location"] == second.headers["location"]
        assert "idempotency_key_reused" == other.json()["code"]

    def test_refused_request_may_be_corrected(self, client: httpx.Client, key: str) -> None:
        """An error is not kept: the corrected request may use the same key."""
        wrong = client.post(
            "/v1/jobs",
            json={"kind": "segmentation", "image_ids": ["img_none"]},
            headers={"Idempotency-Key": key},
        )
        right = submit(client, key)

        assert (404, 202) == (wrong.status_code, right.status_code)

    @pytest.mark.parametrize("bad", ["", "x" * 256, "a b", "\u00e9"])
    def test_unusable_key(self, client: httpx.Client, bad: str) -> None:
        """A key that is empty, too long or not plain ASCII is refused."""
        answer = client.post(
            "/v1/jobs", json={"kind": "diagnostic"}, headers=[(b"idempotency-key", bad.encode())]
        )

        assert (422, "header.Idempotency-Key") == (answer.status_code, answer.json()["errors"][0]["field"])

    def test_callers_do_not_share_keys(self, guarded: Guarded, key: str) -> None:
        """Two callers may use the same key for different requests."""
        with guarded.client() as admin:
            other = admin.post("/v1/keys", json={"name": key, "scopes": ["submit", "read"]}).json()["key"]
            first = submit(admin, key, items=1)
        with guarded.client(other) as lims:
            second = submit(lims, key, items=2)

        assert (202, 202) == (first.status_code, second.status_code)
        assert first.json()["id"] != second.json()["id"]

    def test_secrets_are_not_kept(self, guarded: Guarded, wiring: Wiring, key: str) -> None:
        """A repeated key creation tells the same key without its secret, which is nowhere in the database."""
        with guarded.client() as admin:
            first, second = (
                admin.post(
                    "/v1/keys", json={"name": key, "scopes": ["read"]}, headers={"Idempotency-Key": key}
                ).json()
                for _ in range(2)
            )
        with wiring.readers() as session:
            kept = session.scalar(select(IdempotencyKeyRow.body).where(IdempotencyKeyRow.key == key))

        assert {**first, "key": None} == second == kept

    def test_simultaneous_requests_make_one_job(self, client: httpx.Client, address: str, key: str) -> None:
        """Of many identical requests at once one works; the others get its answer, or are told to wait."""
        external_id = str(uuid.uuid4())
        with httpx.Client(base_url=address, timeout=30) as many, ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: submit(many, key, external_id=external_id), range(16)))
        waits = [one for one in answers if one.status_code == 409]

        assert {202, 409} >= {one.status_code for one in answers}
        assert {"idempotency_in_flight"} >= {one.json()["code"] for one in waits}
        assert all("retry-after" in one.headers for one in waits)
        assert 1 == len(client.get("/v1/jobs", params={"external_id": external_id}).json()["items"])


class TestOnce:
    def test_second_request_waits_for_the_first(self, wiring: Wiring, key: str) -> None:
        """While the first request works, a repetition is told that it is in flight."""
        begun, go_on = threading.Event(), threading.Event()

        def work(_: Session) -> Answer:
            begun.set()
            go_on.wait(10)
            return Answer(201, {}, {"n": 1})

        once = Once(wiring.sessions, "caller", key, "POST /x?")
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(once, {}, work)
            begun.wait(10)
            try:
                with pytest.raises(IdempotencyInFlightError):
                    once({}, work)
            finally:
                go_on.set()

            assert 201 == first.result().status_code

    def test_work_and_answer_are_kept_together(self, wiring: Wiring, key: str) -> None:
        """If the work fails half-way, neither its rows nor an answer stay."""

        def work(session: Session) -> Answer:
            session.add(AuditRow(actor="a", action="b", subject=key, details={}))
            session.flush()
            raise InvalidInputError("Half-way.")

        with pytest.raises(InvalidInputError):
            Once(wiring.sessions, "caller", key, "POST /x?")({}, work)
        with wiring.readers() as session:
            left = session.scalar(select(func.count()).select_from(AuditRow).where(AuditRow.subject == key))
            keys = session.scalar(
                select(func.count()).select_from(IdempotencyKeyRow).where(IdempotencyKeyRow.key == key)
            )

        assert (0, 0) == (left, keys)


class TestIdempotencyService:
    def begin(self, wiring: Wiring, key: str, fingerprint: str = "f") -> Lock | Answer:
        """Claim the key as a request does."""
        with wiring.sessions.begin() as session:
            return IdempotencyService(session).begin("caller", key, fingerprint, 60)

    def lapse(self, wiring: Wiring, key: str) -> None:
        """Let the time of the lock run out."""
        with wiring.sessions.begin() as session:
            session.execute(
                update(IdempotencyKeyRow)
                .where(IdempotencyKeyRow.key == key)
                .values(locked_until=utc_now() - timedelta(seconds=1))
            )

    def age(self, wiring: Wiring, key: str) -> None:
        """Let some of the lock's time pass."""
        with wiring.sessions.begin() as session:
            session.execute(
                update(IdempotencyKeyRow)
                .where(IdempotencyKeyRow.key == key)
                .values(locked_until=IdempotencyKeyRow.locked_until - timedelta(seconds=10))
            )

    def test_lock_of_a_dead_request_lapses(self, wiring: Wiring, key: str) -> None:
        """A first request that died is taken over by its repetition, and cannot answer any more."""
        dead = self.begin(wiring, key)
        self.lapse(wiring, key)
        alive = self.begin(wiring, key)

        assert isinstance(dead, Lock)
        assert isinstance(alive, Lock)
        with pytest.raises(IdempotencyInFlightError), wiring.sessions.begin() as session:
            IdempotencyService(session).finish(dead, Answer(201, {}, {}))
        with wiring.sessions.begin() as session:
            IdempotencyService(session).finish(alive, Answer(201, {}, {"n": 2}))

        assert Answer(201, {}, {"n": 2}) == self.begin(wiring, key)

    def test_a_key_that_nobody_works_on_is_taken_over_within_seconds(self, wiring: Wiring, key: str) -> None:
        """A process that was killed leaves no guard; its client need not wait until the lock lapses."""
        self.begin(wiring, key)
        self.age(wiring, key)

        assert isinstance(self.begin(wiring, key), Lock)

    def test_a_key_that_somebody_works_on_is_left_alone(self, wiring: Wiring, key: str) -> None:
        """However long the first request works, a repetition does not work beside it."""
        first = self.begin(wiring, key)
        self.age(wiring, key)
        assert isinstance(first, Lock)
        with wiring.sessions.begin() as session:
            IdempotencyService(session).guard(first)
            with pytest.raises(IdempotencyInFlightError):
                self.begin(wiring, key)

    def test_lapsed_lock_still_belongs_to_its_request(self, wiring: Wiring, key: str) -> None:
        """Another request cannot take over a key whose first request died."""
        self.begin(wiring, key)
        self.lapse(wiring, key)

        with pytest.raises(IdempotencyKeyReusedError):
            self.begin(wiring, key, "another")

    def test_dead_request_cannot_release_its_successor(self, wiring: Wiring, key: str) -> None:
        """Who lost the lock cannot take it away from who holds it now."""
        dead = self.begin(wiring, key)
        self.lapse(wiring, key)
        self.begin(wiring, key)
        assert isinstance(dead, Lock)
        with wiring.sessions.begin() as session:
            IdempotencyService(session).release(dead)

        with pytest.raises(IdempotencyInFlightError):
            self.begin(wiring, key)
