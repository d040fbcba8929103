from __future__ import annotations

import socket

import httpx
import pytest

from client.errors import ConnectionFailedError, InvalidArgumentError, ProblemError, UnexpectedAnswerError
from client.http import Client
from client.retries import RetryPolicy
from tests.fakes.tiny_service import Answer, TinyService, job, problem


class TestTransport:
    def test_repeats_what_a_busy_service_refused(
        self, client: Client, service: TinyService, sleeps: list[float]
    ) -> None:
        """429 with Retry-After is waited for, then the answer comes."""
        busy = Answer(429, {"detail": "slow down"}, {"Retry-After": "3"})
        service.first("GET", "/readyz", busy)

        assert client.health().ready
        assert len(sleeps) == 1
        assert 3.0 <= sleeps[0] <= 4.0

    def test_repeats_a_post_under_one_idempotency_key(self, client: Client, service: TinyService) -> None:
        """A POST whose answer was lost is sent again with the same key, so the service can tell."""
        service.first("POST", "/v1/jobs", Answer(drop=0), Answer(202, job("job_1", "queued")))

        submitted = client.submit("diagnostic", items=1)

        keys = {request.headers["idempotency-key"] for request in service.seen("POST", "/v1/jobs")}
        assert submitted.id == "job_1"
        assert len(service.seen("POST", "/v1/jobs")) == 2
        assert len(keys) == 1

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_sends_no_number_that_is_none(self, client: Client, service: TinyService, number: float) -> None:
        """JSON has neither NaN nor infinity, whether they stand in a body or in an address."""
        with pytest.raises(InvalidArgumentError, match="finite"):
            client.submit("diagnostic", seconds=number)
        with pytest.raises(InvalidArgumentError, match="level is"):
            client.filtering("job_1", level=number)

        assert [] == service.requests

    def test_two_posts_have_two_keys(self, client: Client, service: TinyService) -> None:
        """Submitting twice on purpose gives two jobs."""
        client.submit("diagnostic")
        client.submit("diagnostic")

        keys = {request.headers["idempotency-key"] for request in service.seen("POST", "/v1/jobs")}

        assert len(keys) == 2

    def test_waits_while_its_own_first_request_is_in_flight(
        self, client: Client, service: TinyService
    ) -> None:
        """409 for a repetition that came too early is no refusal."""
        in_flight = problem(409, "idempotency_in_flight")
        service.first("POST", "/v1/jobs", in_flight, Answer(202, job("job_1", "queued")))

        assert client.submit("diagnostic").id == "job_1"

    def test_does_not_repeat_other_conflicts(
        self, client: Client, service: TinyService, sleeps: list[float]
    ) -> None:
        """A state that forbids the request will not change by asking again."""
        service.first("POST", "/v1/jobs/job_1/retry", problem(409, "conflict", "It has not ended."))

        with pytest.raises(ProblemError, match="It has not ended") as caught:
            client.retry("job_1")

        assert (caught.value.status, caught.value.problem_code, sleeps) == (409, "conflict", [])

    def test_raises_the_last_answer_when_patience_ends(
        self, client: Client, service: TinyService, sleeps: list[float]
    ) -> None:
        """A service that stays away is reported with its own words."""
        service.first("GET", "/v1/jobs/j", *[problem(503, "temporarily_unavailable", "Database away.")] * 3)

        with pytest.raises(ProblemError, match="Database away"):
            client.job("j")

        assert len(sleeps) == 2

    def test_names_the_fields_of_invalid_input(self, client: Client, service: TinyService) -> None:
        """The message lists field by field what is wrong."""
        errors = [{"field": "body.diameter_px", "message": "must be positive"}]
        service.first("POST", "/v1/jobs", problem(422, "invalid_input", "Bad.", errors=errors))

        with pytest.raises(ProblemError) as caught:
            client.submit("segmentation", diameter_px=-1)

        assert "diameter_px: must be positive" in str(caught.value)

    def test_survives_errors_that_are_no_problem_json(self, client: Client, service: TinyService) -> None:
        """A proxy's HTML error page becomes an error with the status."""
        service.first("GET", "/v1/jobs/j", Answer(403, b"<html>no</html>"))

        with pytest.raises(ProblemError, match="403"):
            client.job("j")

    def test_says_that_a_page_is_not_the_service(self, client: Client, service: TinyService) -> None:
        """A login page with status 200 is not taken for an answer."""
        service.first("GET", "/v1/jobs/j", Answer(200, b"<html>log in</html>"))

        with pytest.raises(UnexpectedAnswerError, match="not as Karyobridge"):
            client.job("j")

    def test_advises_when_nothing_listens(self, sleeps: list[float]) -> None:
        """A refused connection is tried again, then explained."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            client = Client(url, retry=RetryPolicy(attempts=2), sleep=sleeps.append)

            with client, pytest.raises(ConnectionFailedError, match="make serve") as caught:
                client.health()

        assert url in str(caught.value)
        assert len(sleeps) == 1

    def test_a_timeout_is_explained_as_one(self, sleeps: list[float]) -> None:
        """Silence is told apart from absence."""

        def silent(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("", request=request)

        options = {"http_transport": httpx.MockTransport(silent), "sleep": sleeps.append}
        with (
            Client("http://lab.example", **options) as client,
            pytest.raises(ConnectionFailedError, match="--timeout"),
        ):
            client.health()

        assert len(sleeps) == 4

    def test_waits_longer_where_the_service_has_more_to_do(self) -> None:
        """Only for the answer: an address where nothing listens is noticed as soon as ever."""
        seen: list[dict[str, float]] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"])
            return httpx.Response(200, json={})

        with Client(
            "http://127.0.0.1:9", timeout_s=60.0, http_transport=httpx.MockTransport(answer)
        ) as client:
            client.transport.json("POST", "v1/datasets", answer_timeout_s=1800.0)
            client.transport.json("POST", "v1/jobs")

        assert [(told["read"], told["connect"]) for told in seen] == [(1800.0, 10.0), (60.0, 10.0)]

    def test_sends_the_key_as_a_bearer_token(self, service: TinyService) -> None:
        """The API key travels in the Authorization header."""
        with Client(service.url, "kb_secret") as client:
            client.health()

        assert service.requests[0].headers["authorization"] == "Bearer kb_secret"

    def test_sends_no_authorization_without_a_key(
        self, client: Client, service: TinyService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a key there is no such header."""
        monkeypatch.delenv("KARYOBRIDGE_API_KEY", raising=False)
        client.health()

        assert "authorization" not in service.requests[0].headers

    @pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", ""])
    def test_refuses_addresses_that_are_none(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A missing scheme is said at once, not as a failed connection."""
        monkeypatch.setenv("KARYOBRIDGE_URL", "nonsense")

        with pytest.raises(InvalidArgumentError, match="one looks like"):
            Client(url)

    def test_keeps_a_path_prefix(self, service: TinyService) -> None:
        """A service behind a prefix is reached below it."""
        service.first("GET", "/lab/v1/jobs/j", Answer(body=job("j", "queued")))

        with Client(service.url + "/lab") as client:
            assert client.job("j").id == "j"
